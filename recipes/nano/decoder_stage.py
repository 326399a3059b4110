"""End of stage 1: from one decoder two, for one encoder that no longer changes.

The VAE's own decoder is finished on images. The decoder projector, which shows latents to the
tower, is finished on telling noisy latents apart: the head knows x_t only through it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model_adapters.cheers.vae import VAE, LatentDecoder
from recipes.nano.architecture import nano_config
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.images import to_pixels
from recipes.nano.journal import Journal
from recipes.nano.settings import Settings
from recipes.nano.streams import step_generator

__all__ = ["Goal", "readability", "train_decoder"]

Goal = Literal["image", "readable"]
"""What a decoder is finished for."""

_CLEAN_SHARE = 4


def readability(
    decoder: LatentDecoder, reader: nn.Conv2d, clean: Tensor, noise: Tensor, t: Tensor
) -> tuple[Tensor, Tensor]:
    """How badly a patch of a decoded noisy latent tells that latent, read linearly.

    Args:
        decoder: The decoder.
        reader: A linear map from a patch of pixels to a latent position.
        clean: Clean latents (B, C, h, w).
        noise: Standard normal, same shape.
        t: Times (B,).

    Returns:
        The mean squared error, and the decoded pixels (B, 3, S, S).
    """
    times = t.view(-1, 1, 1, 1)
    noisy = times * clean + (1 - times) * noise
    pixels = decoder(noisy)
    return F.mse_loss(reader(pixels).float(), noisy), pixels.float()


def train_decoder(
    settings: Settings,
    vae: VAE,
    images: NDArray[np.uint8],
    folder: Path,
    goal: Goal,
    *,
    bf16: bool,
) -> LatentDecoder:
    """Finish a copy of the VAE's decoder for one goal, or read the finished one back.

    Args:
        settings: The run.
        vae: The VAE after its own training; not changed.
        images: Training images, uint8 (N, 64, 64, 3).
        folder: Where checkpoint and log go.
        goal: `image` minimises L1 + MSE of the decoded clean latent; `readable` adds
            `readability` at all times.
        bf16: Whether to compute in bfloat16.
    """
    config, path = nano_config(), folder / f"decoder-{goal}.pt"
    generator = step_generator(settings.seed, f"reader-{goal}", 0)
    decoder = LatentDecoder(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decoder.load_state_dict(_without_encoder(vae))
    reader = nn.Conv2d(3, config.latent_channels, config.latent_stride, config.latent_stride)
    for parameter in reader.parameters():
        nn.init.normal_(parameter, std=0.02, generator=generator)
    if path.exists():
        decoder.load_state_dict(load_state(path)["model"])
        return decoder.eval()
    parameters = [*decoder.parameters(), *reader.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.0, betas=(0.9, 0.95))
    journal = Journal(folder / f"decoder-{goal}.jsonl", 0)
    for step in range(settings.vae.decoder_steps):
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, settings)
        rng = step_generator(settings.seed, f"decoder-{goal}", step)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            error, unread = _losses(settings, vae, decoder, reader, images, rng, goal)
        optimiser.zero_grad(set_to_none=True)
        (error + unread).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimiser.step()
        journal.write(step, stage=f"decoder-{goal}", loss=float(error), unread=float(unread))
    save_state(path, {"model": decoder.state_dict()})
    return decoder.eval()


def _losses(
    settings: Settings,
    vae: VAE,
    decoder: LatentDecoder,
    reader: nn.Conv2d,
    images: NDArray[np.uint8],
    rng: torch.Generator,
    goal: Goal,
) -> tuple[Tensor, Tensor]:
    """Image error, and unreadability (zero for the goal `image`)."""
    rows = torch.randint(len(images), (settings.vae.batch,), generator=rng).numpy()
    image = to_pixels(images[rows])
    with torch.no_grad():
        clean = vae.encode(image).float()
    if goal == "image":
        restored = decoder(clean).float()
        return F.l1_loss(restored, image) + F.mse_loss(restored, image), torch.zeros(())
    noise = torch.randn(clean.shape, generator=rng)
    t = torch.rand(len(clean), generator=rng)
    whole = max(1, len(clean) // _CLEAN_SHARE)
    t[:whole] = 1.0
    unread, pixels = readability(decoder, reader, clean, noise, t)
    shown, wanted = pixels[:whole], image[:whole]
    return F.l1_loss(shown, wanted) + F.mse_loss(shown, wanted), unread


def _rate(step: int, settings: Settings) -> float:
    warm = min(1.0, (step + 1) / max(1, settings.vae.warmup))
    share = step / settings.vae.decoder_steps
    return settings.vae.decoder_lr * warm * 0.5 * (1 + math.cos(math.pi * share))


def _without_encoder(vae: VAE) -> dict[str, Tensor]:
    return {k: v for k, v in vae.state_dict().items() if not k.startswith("encoder.")}
