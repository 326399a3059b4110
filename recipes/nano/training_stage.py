"""The stages that train the whole model, in one resumable loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.initialisation import fresh_model
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.vae import VAE, LatentDecoder
from recipes.nano.architecture import nano_config
from recipes.nano.batches import BatchMaker
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.forward import Losses, forward_losses
from recipes.nano.journal import Journal
from recipes.nano.optimiser import Optimisers, Rule
from recipes.nano.settings import Settings, StageSettings
from recipes.nano.streams import step_generator

__all__ = ["Trainer", "center_patches", "finished_vae", "freeze", "learning_rate", "nano_model"]

_GATE_START = 1.0
_EMA_RAMP = 10
_EMBEDDING_STD, _POSITION_STD, _RESIDUAL_SHARE = 0.08, 0.5, 0.4
_SMALL = re.compile(r"adaLN|gate\.2|position_embedding|hi_projector\.diffusion_head_b|\.head\.")
_RESIDUAL = re.compile(r"o_proj|down_proj|out_proj|fc2")
_EMBEDDING = "model.language_model.embed_tokens.weight"


def finished_vae(folder: Path) -> tuple[VAE, LatentDecoder]:
    """VAE and decoder projector of a run whose stage 1 is over."""
    config = nano_config()
    vae, projector = VAE(config), LatentDecoder(config)
    vae.load_state_dict(load_state(folder / "vae.pt")["model"])
    vae.load_state_dict(load_state(folder / "decoder-image.pt")["model"], strict=False)
    projector.load_state_dict(load_state(folder / "decoder-readable.pt")["model"])
    return vae.eval(), projector.eval()


def nano_model(config: CheersConfig, vae: VAE, projector: LatentDecoder, seed: int) -> CheersModel:
    """Fresh weights around a finished VAE and decoder projector.

    Both stay frozen. The HFI gate starts open, so that detail reaches the head from step one.
    """
    model = fresh_model(config, seed)
    core = model.model
    core.vae_model.load_state_dict(vae.state_dict())
    core.vae_decoder_projector.load_state_dict(projector.state_dict())
    gate = core.hi_gate.gate[-1]
    assert isinstance(gate, nn.Linear)  # noqa: S101
    nn.init.constant_(gate.bias, _GATE_START)
    _scale_matrices(model)
    for module in (core.vae_model, core.vae_decoder_projector):
        module.to(memory_format=torch.channels_last)
    freeze(model)
    return model


def freeze(model: CheersModel) -> None:
    """Leave to the training what it trains: not stage 1's networks, not the pooling head."""
    core = model.model
    for module in (core.vae_model, core.vae_decoder_projector, core.vision_representation.head):
        module.requires_grad_(requires_grad=False)


@torch.no_grad()
def _scale_matrices(model: CheersModel) -> None:
    """Make the spread of fresh weights fit a width of hundreds, not of thousands.

    A matrix keeps the size of its input; those that write to a residual stream write less. What
    has to begin at zero stays, and the velocity begins small.
    """
    std = model.config.text_config.initializer_range
    for name, weight in model.named_parameters():
        if name.endswith("embed_tokens.weight"):
            weight.mul_(_EMBEDDING_STD / std)
        elif weight.ndim == 2 and weight.requires_grad and not _SMALL.search(name):
            less = _RESIDUAL_SHARE if _RESIDUAL.search(name) else 1.0
            weight.mul_(less / (std * weight.shape[1] ** 0.5))


@torch.no_grad()
def center_patches(model: CheersModel, pixels: Tensor) -> None:
    """Let each channel of the patch embedding begin with mean 0 and spread 1 over images.

    Most of an image is background. Uncentred, all patches are nearly one vector, and the tower
    tells images apart late or never.

    Args:
        model: The model; its patch and position embeddings change.
        pixels: What the tower sees of training images (N, 3, S, S).
    """
    embeddings = model.model.vision_representation.embeddings
    convolution = embeddings.patch_embedding
    assert convolution.bias is not None  # noqa: S101
    spread, mean = torch.std_mean(convolution(pixels.float()), (0, 2, 3))
    convolution.weight.div_(spread.view(-1, 1, 1, 1))
    convolution.bias.copy_((convolution.bias - mean) / spread)
    position = embeddings.position_embedding.weight
    position.mul_(_POSITION_STD / position.std())


class Trainer:
    """Trains the whole model stage by stage.

    Args:
        settings: The run.
        model: Fresh weights.
        batches: Where batches come from.
        folder: Where the checkpoint and the log go; a checkpoint there is gone on from.
        bf16: Whether to compute in bfloat16 (weights stay float32).
    """

    def __init__(
        self,
        settings: Settings,
        model: CheersModel,
        batches: BatchMaker,
        folder: Path,
        *,
        bf16: bool,
    ) -> None:
        self.settings = settings
        self.model = model
        self._batches = batches
        self._path = folder / "joint.pt"
        self._bf16 = bf16
        self._named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self._named.items()}
        self._optimiser = self._build("adamw")
        self.stage, self.step, self.total = 0, 0, 0
        if self._path.exists():
            self._restore(load_state(self._path))
        self._journal = Journal(folder / "joint.jsonl", self.total)

    def run(self, on_save: Callable[[Trainer], None] | None = None) -> None:
        """Train to the end; `on_save` is called behind each checkpoint."""
        stages = self.settings.stages
        while self.stage < len(stages):
            stage = stages[self.stage]
            if stage.rule != self._optimiser.rule:
                self._optimiser = self._build(stage.rule)
            while self.step < stage.steps:
                self._one_step(stage)
                if self.total % self.settings.save_every == 0 or self.step == stage.steps:
                    self.save()
                    if on_save is not None:
                        on_save(self)
            self.stage, self.step = self.stage + 1, 0
        self.save()

    def save(self) -> None:
        """Write weights, averages, optimiser and position."""
        state = {
            "model": {name: p.detach() for name, p in self._named.items()},
            "average": self.average,
            "optimiser": self._optimiser.state_dict(),
            "stage": self.stage,
            "step": self.step,
            "total": self.total,
        }
        save_state(self._path, state)

    def averaged_state(self) -> dict[str, Tensor]:
        """The model's state dict with averaged weights where there are any."""
        weights = {**self.model.state_dict(), **self.average}
        # Tied: the state dict holds the embedding under both names.
        weights["lm_head.weight"] = weights[_EMBEDDING]
        return weights

    def _one_step(self, stage: StageSettings) -> None:
        rng = step_generator(self.settings.seed, "joint", self.total)
        self._optimiser.set_rate(learning_rate(stage, self.step))
        groups = self._batches.draw(stage, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            losses = forward_losses(self.model, groups)
        self._optimiser.zero_grad()
        (losses.text + losses.image).backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._named.values(), self.settings.clip)
        self._optimiser.step()
        self._journal_step(stage, losses, norm)
        self.step, self.total = self.step + 1, self.total + 1
        self._average()

    def _journal_step(self, stage: StageSettings, losses: Losses, norm: Tensor) -> None:
        self._journal.write(
            self.total,
            stage=stage.name,
            text=float(losses.text.detach()),
            image=float(losses.image.detach()),
            norm=float(norm),
        )

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.ema, (1 + self.total) / (_EMA_RAMP + self.total))
        own = list(self.average.values())
        new = [self._named[name].detach() for name in self.average]
        torch._foreach_lerp_(own, new, 1 - decay)

    def _build(self, rule: Rule) -> Optimisers:
        return Optimisers(self._named, rule, self.settings.weight_decay)

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"], strict=False)
        self.average = state["average"]
        self._optimiser = self._build(state["optimiser"]["rule"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.stage, self.step, self.total = state["stage"], state["step"], state["total"]


def learning_rate(stage: StageSettings, step: int) -> float:
    """Rate of a step: linear warm-up, then constant, or linear to zero where the stage decays."""
    warm = min(1.0, (step + 1) / max(1, stage.warmup))
    fall = 1 - step / stage.steps if stage.decay else 1.0
    return stage.lr * warm * fall
