"""Stage 1: train the VAE alone, then fix the statistics that normalise its latent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model_adapters.cheers.vae import VAE, patchify
from recipes.nano.architecture import nano_config
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.images import to_pixels
from recipes.nano.journal import Journal
from recipes.nano.settings import Settings, VAEPhase
from recipes.nano.streams import step_generator

__all__ = ["color_loss", "cosine", "train_vae", "vae_loss"]

_SPREAD_FLOOR = 1e-3
_STATISTICS_BATCH = 256


def vae_loss(vae: VAE, image: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """L1 + MSE of the reconstruction from a latent with noise on it.

    The noise is relative to the latent's spread over the batch, so growing the latent does not
    escape it.

    Args:
        vae: The autoencoder.
        image: Pixels (B, 3, S, S) in [0, 1].
        noise: Standard normal (B, z, S/f, S/f).
        level: How much of it, per image (B,).

    Returns:
        The loss, and the latent without noise, divided by its spread (B, z, S/f, S/f).
    """
    mean = vae.encoder(image).float().chunk(2, dim=1)[0]
    spread = mean.std((0, 2, 3), keepdim=True) + _SPREAD_FLOOR
    latent = mean + level.view(-1, 1, 1, 1) * spread * noise
    restored = vae.decoder(latent).float()
    return F.l1_loss(restored, image) + F.mse_loss(restored, image), mean / spread


def color_loss(reader: nn.Conv2d, latent: Tensor, image: Tensor) -> Tensor:
    """How badly a latent position tells the mean colour of its pixels, read linearly.

    Without it a decoder is free to line all colours up along one axis of the latent, where a
    generator that is unsure between two colours paints a third.

    Args:
        reader: A linear map from z channels to RGB, 1x1.
        latent: Latents (B, z, s, s).
        image: Pixels (B, 3, S, S).
    """
    wanted = F.adaptive_avg_pool2d(image, latent.shape[-1])
    return F.mse_loss(reader(latent), wanted)


def cosine(step: int, steps: int, lr: float, warmup: int) -> float:
    """Learning rate of a step: linear warm-up, cosine to zero."""
    warm = min(1.0, (step + 1) / max(1, warmup))
    return lr * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def train_vae(settings: Settings, images: NDArray[np.uint8], folder: Path, *, bf16: bool) -> VAE:
    """Train, or go on from the last checkpoint in `folder`; return the finished VAE.

    Args:
        settings: The run.
        images: Training images, uint8 (N, 64, 64, 3).
        folder: Where the checkpoint and the log go.
        bf16: Whether to compute in bfloat16 (weights stay float32).
    """
    trainer, path = _VAETrainer(settings, images, bf16=bf16), folder / "vae.pt"
    start = trainer.restore(load_state(path)) if path.exists() else 0
    journal = Journal(folder / "vae.jsonl", start)
    plan = [(phase, place) for phase in settings.vae.phases for place in range(phase.steps)]
    for number, (phase, place) in list(enumerate(plan))[start:]:
        journal.write(number, stage="vae", **trainer.step(number, phase, place))
        done = number + 1
        if done == len(plan):
            _fix_statistics(trainer.vae, images)
        if done == len(plan) or done % settings.save_every == 0:
            save_state(path, trainer.state(done))
    return trainer.vae.eval()


class _VAETrainer:
    """The autoencoder, a colour reader that is thrown away, and their optimiser."""

    def __init__(self, settings: Settings, images: NDArray[np.uint8], *, bf16: bool) -> None:
        self.settings, self.images, self.bf16 = settings, images, bf16
        self.config = nano_config()
        torch.manual_seed(settings.seed)
        self.vae = VAE(self.config)
        self.vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.reader = nn.Conv2d(self.config.vae_encoder_config.z_channels, 3, 1)
        self.parameters = [*self.vae.parameters(), *self.reader.parameters()]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=0.0, weight_decay=0.0, betas=(0.9, 0.95)
        )

    def step(self, number: int, phase: VAEPhase, place: int) -> dict[str, float]:
        """One step, the `place`-th of its phase; what the log says about it."""
        sizes = self.settings.vae
        for group in self.optimiser.param_groups:
            group["lr"] = cosine(place, phase.steps, phase.lr, sizes.warmup)
        image, noise, level = self._draw(number)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss, latent = vae_loss(self.vae, image, noise, level)
        color = color_loss(self.reader, latent, image)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + phase.color_weight * color).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimiser.step()
        return {"loss": float(loss.detach()), "color": float(color.detach())}

    def _draw(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images, noise and noise levels of a step."""
        rng, batch = step_generator(self.settings.seed, "vae", number), self.settings.vae.batch
        rows = torch.randint(len(self.images), (batch,), generator=rng).numpy()
        side = self.config.image_size // self.config.vae_encoder_config.factor
        shape = (batch, self.config.vae_encoder_config.z_channels, side, side)
        noise = torch.randn(shape, generator=rng)
        level = torch.rand(batch, generator=rng) * self.settings.vae.noise
        return to_pixels(self.images[rows]), noise, level

    def state(self, step: int) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "model": self.vae.state_dict(),
            "reader": self.reader.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": step,
        }

    def restore(self, state: dict[str, Any]) -> int:
        """Take a checkpoint back; return its step."""
        self.vae.load_state_dict(state["model"])
        self.reader.load_state_dict(state["reader"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])


@torch.no_grad()
def _fix_statistics(vae: VAE, images: NDArray[np.uint8]) -> None:
    """Store mean and variance of each latent channel over the training images."""
    latents = []
    for start in range(0, len(images), _STATISTICS_BATCH):
        mean, _ = vae.encoder(to_pixels(images[start : start + _STATISTICS_BATCH])).chunk(2, dim=1)
        latents.append(patchify(mean))
    every = torch.cat(latents)
    vae.bn.running_mean = every.mean((0, 2, 3))
    vae.bn.running_var = every.var((0, 2, 3))
