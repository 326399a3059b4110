"""Images through the vision tokenizer and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from model_adapters.cheers.model import CheersModel


@torch.no_grad()
def reconstruct(
    model: CheersModel,
    pixels: Sequence[Tensor],
    decoder: Literal["vae", "projector"] = "vae",
) -> list[Tensor]:
    """Encode images and decode them again.

    Args:
        model: the model.
        pixels: images (3, S, S) in [0, 1]; images of one size are run together.
        decoder: "vae" for the VAE's own decoder, which draws images; "projector" for the decoder
            projector, which shows what the tower is given to see.

    Returns:
        Images (3, S, S), float32 on the CPU, clamped to [0, 1].
    """
    decode = model.model.vae_model if decoder == "vae" else model.model.vae_decoder_projector
    groups: dict[torch.Size, list[int]] = {}
    for index, image in enumerate(pixels):
        groups.setdefault(image.shape, []).append(index)
    results: dict[int, Tensor] = {}
    for members in groups.values():
        batch = torch.stack([pixels[index] for index in members]).to(model.device, model.dtype)
        images = decode(model.model.vae_model.encode(batch)).float().clamp(0.0, 1.0).cpu()
        results.update(zip(members, images, strict=True))
    return [results[index] for index in range(len(pixels))]
