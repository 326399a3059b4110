"""Build a model with fresh weights from an explicit generator: no global random state."""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from model_adapters.cheers.blocks import AdaLNZeroBlock, FinalLayer
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.head import HighFrequencyGate
from model_adapters.cheers.model import CheersModel

NORMS = (nn.LayerNorm, nn.GroupNorm, Qwen2RMSNorm)


def meta_model(config: CheersConfig) -> CheersModel:
    """The model without storage: names, shapes and nothing else."""
    with torch.device("meta"):
        model = CheersModel(config)
    model.tie()
    return model


def fresh_model(config: CheersConfig, seed: int) -> CheersModel:
    """A float32 model on the CPU with random weights, a function of the seed alone.

    Linear and embedding weights are normal with `text_config.initializer_range`; convolutions of
    the VAE are Kaiming-uniform, as torch has them; AdaLN modulations and the gate start at zero,
    so that each block begins as the identity; norms begin at one and zero.

    Args:
        config: the sizes.
        seed: seed of the weights.
    """
    model = meta_model(config).to_empty(device="cpu")
    model.tie()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            _fill(module, config.text_config.initializer_range, generator)
        for module in model.modules():
            _zero_start(module)
    return model


def _fill(module: nn.Module, std: float, generator: torch.Generator) -> None:
    """Fill the parameters and buffers that a module holds itself."""
    if isinstance(module, nn.Conv2d):
        bound = 1.0 / math.sqrt(module.weight[0].numel())
        for parameter in module.parameters(recurse=False):
            parameter.uniform_(-bound, bound, generator=generator)
    elif isinstance(module, NORMS):
        for name, parameter in module.named_parameters(recurse=False):
            parameter.fill_(0.0 if name == "bias" else 1.0)
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()
    else:
        for name, parameter in module.named_parameters(recurse=False):
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0.0, std, generator=generator)


def _zero_start(module: nn.Module) -> None:
    """Zero what has to begin at zero."""
    if isinstance(module, (AdaLNZeroBlock, FinalLayer)):
        last: nn.Module = module.adaLN_modulation[-1]
    elif isinstance(module, HighFrequencyGate):
        last = module.gate[-1]
    else:
        return
    for parameter in last.parameters():
        parameter.zero_()
