"""Stage 1: train the VAE alone, then fix the statistics that normalise its latent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model_adapters.cheers.vae import VAE, patchify
from recipes.nano.architecture import nano_config
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.images import to_pixels
from recipes.nano.journal import Journal
from recipes.nano.settings import Settings, VAESettings
from recipes.nano.streams import step_generator

__all__ = ["cosine", "train_vae", "vae_loss"]

_SPREAD_FLOOR = 1e-3
_STATISTICS_BATCH = 256


def vae_loss(vae: VAE, image: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """L1 + MSE of the reconstruction from a latent with noise on it.

    The noise is relative to the latent's spread over the batch, so growing the latent does not
    escape it: the encoder has to use every channel, which is what a generator needs.

    Args:
        vae: The autoencoder.
        image: Pixels (B, 3, S, S) in [0, 1].
        noise: Standard normal (B, z, S/f, S/f).
        level: How much of it, per image (B,).
    """
    mean = vae.encoder(image).float().chunk(2, dim=1)[0]
    spread = mean.std((0, 2, 3), keepdim=True) + _SPREAD_FLOOR
    latent = mean + level.view(-1, 1, 1, 1) * spread * noise
    restored = vae.decoder(latent).float()
    return F.l1_loss(restored, image) + F.mse_loss(restored, image)


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
    torch.manual_seed(settings.seed)
    vae = VAE(nano_config()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(vae.parameters(), lr=0.0, weight_decay=0.0, betas=(0.9, 0.95))
    path, start = folder / "vae.pt", 0
    if path.exists():
        start = _restore(load_state(path), vae, optimiser)
    journal, steps = Journal(folder / "vae.jsonl", start), settings.vae.steps
    for step in range(start, steps):
        loss = _step(vae, optimiser, images, settings, step, bf16=bf16)
        journal.write(step, stage="vae", loss=loss)
        if step + 1 == steps:
            _fix_statistics(vae, images)
        if step + 1 == steps or (step + 1) % settings.save_every == 0:
            save_state(path, _state(vae, optimiser, step + 1))
    return vae.eval()


def _step(
    vae: VAE,
    optimiser: torch.optim.Optimizer,
    images: NDArray[np.uint8],
    settings: Settings,
    step: int,
    *,
    bf16: bool,
) -> float:
    sizes: VAESettings = settings.vae
    rng = step_generator(settings.seed, "vae", step)
    rows = torch.randint(len(images), (sizes.batch,), generator=rng).numpy()
    pixels = to_pixels(images[rows])
    config = nano_config().vae_encoder_config
    side = pixels.shape[-1] // config.factor
    noise = torch.randn(len(pixels), config.z_channels, side, side, generator=rng)
    level = torch.rand(len(pixels), generator=rng) * sizes.noise
    for group in optimiser.param_groups:
        group["lr"] = cosine(step, sizes.steps, sizes.lr, sizes.warmup)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = vae_loss(vae, pixels, noise, level)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(vae.parameters(), settings.clip)
    optimiser.step()
    return float(loss.detach())


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


def _state(vae: VAE, optimiser: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    return {"model": vae.state_dict(), "optimiser": optimiser.state_dict(), "step": step}


def _restore(state: dict[str, Any], vae: VAE, optimiser: torch.optim.Optimizer) -> int:
    vae.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
