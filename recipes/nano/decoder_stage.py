"""End of stage 1: from one decoder two, for one encoder that no longer changes.

The VAE's own decoder is finished on images. The decoder projector, which shows latents to the
tower, is finished on telling noisy latents apart: the head knows x_t only through it.
"""

from __future__ import annotations

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
from recipes.nano.vae_stage import cosine

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

    A run that is stopped here begins this part again: it takes minutes.

    Args:
        settings: The run.
        vae: The VAE after its own training; not changed.
        images: Training images, uint8 (N, 64, 64, 3).
        folder: Where checkpoint and log go.
        goal: `image` minimises L1 + MSE of the decoded clean latent; `readable` adds
            `readability` at all times.
        bf16: Whether to compute in bfloat16.
    """
    path, trainer = folder / f"decoder-{goal}.pt", _DecoderTrainer(settings, vae, goal)
    if path.exists():
        trainer.decoder.load_state_dict(load_state(path)["model"])
        return trainer.decoder.eval()
    journal = Journal(folder / f"decoder-{goal}.jsonl", 0)
    for step in range(settings.vae.decoder_steps):
        journal.write(step, stage=f"decoder-{goal}", **trainer.step(step, images, bf16=bf16))
    save_state(path, {"model": trainer.decoder.state_dict()})
    return trainer.decoder.eval()


class _DecoderTrainer:
    """A decoder, a latent reader that is thrown away, and their optimiser."""

    def __init__(self, settings: Settings, vae: VAE, goal: Goal) -> None:
        self.settings, self.vae, self.goal = settings, vae, goal
        config = nano_config()
        self.decoder = LatentDecoder(config)
        self.decoder.to(memory_format=torch.channels_last)
        self.decoder.load_state_dict(_without_encoder(vae))
        stride = config.latent_stride
        self.reader = nn.Conv2d(3, config.latent_channels, stride, stride=stride)
        generator = step_generator(settings.seed, f"reader-{goal}", 0)
        for parameter in self.reader.parameters():
            nn.init.normal_(parameter, std=0.02, generator=generator)
        self.parameters = [*self.decoder.parameters(), *self.reader.parameters()]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=0.0, weight_decay=0.0, betas=(0.9, 0.95)
        )

    def step(self, step: int, images: NDArray[np.uint8], *, bf16: bool) -> dict[str, float]:
        """One step; what the log says about it."""
        sizes = self.settings.vae
        for group in self.optimiser.param_groups:
            group["lr"] = cosine(step, sizes.decoder_steps, sizes.decoder_lr, sizes.warmup)
        rng = step_generator(self.settings.seed, f"decoder-{self.goal}", step)
        rows = torch.randint(len(images), (sizes.batch,), generator=rng).numpy()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            error, unread = self._losses(to_pixels(images[rows]), rng)
        self.optimiser.zero_grad(set_to_none=True)
        (error + unread).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimiser.step()
        return {"loss": float(error.detach()), "unread": float(unread.detach())}

    def _losses(self, image: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Image error, and unreadability (zero for the goal `image`)."""
        with torch.no_grad():
            clean = self.vae.encode(image).float()
        if self.goal == "image":
            return _image_error(self.decoder(clean).float(), image), torch.zeros(())
        noise = torch.randn(clean.shape, generator=rng)
        t = torch.rand(len(clean), generator=rng)
        whole = max(1, len(clean) // _CLEAN_SHARE)
        t[:whole] = 1.0
        unread, pixels = readability(self.decoder, self.reader, clean, noise, t)
        return _image_error(pixels[:whole], image[:whole]), unread


def _image_error(restored: Tensor, image: Tensor) -> Tensor:
    return F.l1_loss(restored, image) + F.mse_loss(restored, image)


def _without_encoder(vae: VAE) -> dict[str, Tensor]:
    return {k: v for k, v in vae.state_dict().items() if not k.startswith("encoder.")}
