"""Pictures through a pipeline's VAE and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from harness.rgb import as_rgb
from model_adapters.diffusers_pipeline.drawing import to_image

__all__ = ["can_reconstruct", "reconstruct"]

_VAES = ("AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderDC", "AutoencoderTiny")
"""Autoencoders of pictures; others are of videos, or decode only."""


def can_reconstruct(pipeline: Any) -> bool:
    """Whether the pipeline has an autoencoder of pictures, with both halves."""
    return type(getattr(pipeline, "vae", None)).__name__ in _VAES


@torch.no_grad()
def reconstruct(pipeline: Any, image: Image.Image, device: str) -> Image.Image:
    """Encode a picture and decode the mode of its latent's distribution.

    Its edges are repeated to the next multiple of the VAE's factor, and cut off afterwards, so the
    size stays.

    Args:
        pipeline: A pipeline that `can_reconstruct`.
        image: A picture of any mode and size.
        device: Where the pipeline is.

    Raises:
        AdapterError: The decoded values aren't finite.
    """
    pixels = np.asarray(as_rgb(image), dtype=np.float32) / 127.5 - 1
    rows, columns = pixels.shape[:2]
    factor = int(getattr(pipeline, "vae_scale_factor", 8))
    padded = np.pad(pixels, ((0, -rows % factor), (0, -columns % factor), (0, 0)), mode="edge")
    with _in_range(pipeline.vae) as vae:
        sample = torch.from_numpy(padded).permute(2, 0, 1)[None].to(device, vae.dtype)
        decoded = vae.decode(_latent(vae.encode(sample))).sample
    values = (decoded[0].float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)
    return to_image(values[:rows, :columns].cpu().numpy())


def _latent(encoded: Any) -> torch.Tensor:
    if hasattr(encoded, "latent_dist"):
        mode: torch.Tensor = encoded.latent_dist.mode()
        return mode
    latent: torch.Tensor = encoded.latent if hasattr(encoded, "latent") else encoded.latents
    return latent


@contextmanager
def _in_range(vae: Any) -> Iterator[Any]:
    """The VAE in float32 for a while, if it says that float16 overflows."""
    upcast = vae.dtype == torch.float16 and vae.config.get("force_upcast")
    if upcast:
        vae.to(torch.float32)
    try:
        yield vae
    finally:
        if upcast:
            vae.to(torch.float16)
