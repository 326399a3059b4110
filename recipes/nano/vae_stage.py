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

from model_adapters.cheers.vae import VAE, patchify, unpatchify
from recipes.nano.architecture import nano_config
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.images import to_pixels
from recipes.nano.journal import Journal
from recipes.nano.settings import Settings, VAEPhase
from recipes.nano.streams import step_generator

__all__ = ["cosine", "readability_loss", "train_vae", "vae_loss"]

_LOG_VARIANCE_RANGE = (-20.0, 5.0)
_SPREAD_FLOOR = 1e-4
_STATISTICS_BATCH = 256


def vae_loss(vae: VAE, image: Tensor, noise: Tensor, kl_weight: float) -> tuple[Tensor, Tensor]:
    """L1 + MSE of the reconstruction from a sampled latent, and the KL term.

    Args:
        vae: The autoencoder.
        image: Pixels (B, 3, S, S) in [0, 1].
        noise: Standard normal (B, z, S/f, S/f).
        kl_weight: Weight of the mean KL divergence of a latent element.

    Returns:
        The loss, and the reconstruction part of it.
    """
    mean, log_variance = vae.encoder(image).float().chunk(2, dim=1)
    log_variance = log_variance.clamp(*_LOG_VARIANCE_RANGE)
    restored = vae.decoder(mean + torch.exp(0.5 * log_variance) * noise).float()
    error = F.l1_loss(restored, image) + F.mse_loss(restored, image)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return error + kl_weight * kl, error.detach()


def readability_loss(vae: VAE, reader: nn.Conv2d, image: Tensor, noise: Tensor) -> Tensor:
    """How badly a patch of a decoded noisy latent tells that latent, read linearly.

    The head sees x_t through patch embeddings of the decoded x_t alone. A decoder that was
    trained on images only hides the noise that the velocity is made of.

    Args:
        vae: The autoencoder; only its decoder gets gradients from here.
        reader: A linear map from a patch of pixels to a latent position.
        image: Pixels (B, 3, S, S).
        noise: Standard normal (B, 4z, h, w).
    """
    with torch.no_grad():
        clean = patchify(vae.encoder(image).float().chunk(2, dim=1)[0])
        spread, center = torch.std_mean(clean, (0, 2, 3), keepdim=True)
        t = torch.linspace(0, 1, len(image)).view(-1, 1, 1, 1)
        noisy = t * (clean - center) / (spread + _SPREAD_FLOOR) + (1 - t) * noise
        latent = unpatchify(noisy * spread + center)
    return F.mse_loss(reader(vae.decoder(latent)).float(), noisy)


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
        if place == 0:
            trainer.new_optimiser()
        journal.write(number, stage="vae", **trainer.step(number, phase, place))
        done = number + 1
        if done == len(plan):
            _fix_statistics(trainer.vae, images)
        if done == len(plan) or done % settings.save_every == 0:
            save_state(path, trainer.state(done))
    return trainer.vae.eval()


class _VAETrainer:
    """The autoencoder, a latent reader that is thrown away, and their optimiser."""

    optimiser: torch.optim.Optimizer

    def __init__(self, settings: Settings, images: NDArray[np.uint8], *, bf16: bool) -> None:
        self.settings, self.images, self.bf16 = settings, images, bf16
        self.config = nano_config()
        torch.manual_seed(settings.seed)
        self.vae = VAE(self.config)
        self.vae.to(memory_format=torch.channels_last)
        stride = self.config.latent_stride
        self.reader = nn.Conv2d(3, self.config.latent_channels, stride, stride=stride)
        self.parameters = [*self.vae.parameters(), *self.reader.parameters()]
        self.new_optimiser()

    def new_optimiser(self) -> None:
        """Begin with a fresh optimiser."""
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=0.0, weight_decay=0.0, betas=(0.9, 0.95)
        )

    def step(self, number: int, phase: VAEPhase, place: int) -> dict[str, float]:
        """One step, the `place`-th of its phase; what the log says about it."""
        sizes = self.settings.vae
        for group in self.optimiser.param_groups:
            group["lr"] = cosine(place, phase.steps, phase.lr, sizes.warmup)
        rng = step_generator(self.settings.seed, "vae", number)
        rows = torch.randint(len(self.images), (sizes.batch,), generator=rng).numpy()
        image, unread = to_pixels(self.images[rows]), torch.zeros(())
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss, error = vae_loss(self.vae, image, self._noise(rng), phase.kl_weight)
            if phase.readable_weight:
                noise = patchify(self._noise(rng))
                unread = readability_loss(self.vae, self.reader, image, noise)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + phase.readable_weight * unread).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimiser.step()
        return {"loss": float(error), "unread": float(unread.detach())}

    def _noise(self, rng: torch.Generator) -> Tensor:
        side = self.config.image_size // self.config.vae_encoder_config.factor
        channels = self.config.vae_encoder_config.z_channels
        return torch.randn(self.settings.vae.batch, channels, side, side, generator=rng)

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
