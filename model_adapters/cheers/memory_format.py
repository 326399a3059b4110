"""The memory layout in which convolutions are fastest."""

from __future__ import annotations

import torch

from model_adapters.cheers.model import CheersModel

__all__ = ["use_channels_last"]


def use_channels_last(model: CheersModel) -> None:
    """Store the convolutions of VAE and decoder projector with channels last, in place.

    Values stay the same, sums are made in another order. The decoder projector is the largest part
    of a denoising step (`benchmarks/bench_cheers.py` measures what this is worth).
    """
    for module in (model.model.vae_model, model.model.vae_decoder_projector):
        module.to(memory_format=torch.channels_last)
