"""Pictures to codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from harness.seeds import stream_seed
from harness.torch_support import without_tf32
from model_adapters.tar.images import to_pixels
from model_adapters.tar.presets import Preset
from model_adapters.tar.ta_tok import TaTok

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_codes"]


def read_codes(
    ta_tok: TaTok, images: Sequence[Image], seed: int, scale: int, preset: Preset
) -> list[list[int]]:
    """Codes of each picture of one request.

    Pictures are read one by one and in full float32, so that a code near a tie can't fall to
    another side because of what else is in a batch. A tower of this size is busy with one.

    Args:
        ta_tok: The tokenizer.
        images: Of any mode and size.
        seed: Of the request; unread unless codes are sampled.
        scale: 0, 1 or 2.
        preset: How to bring pixels to the tower's size, and how to choose codes.
    """
    samples = preset.image_tokens == "sampled"
    rows = []
    for number, image in enumerate(images):
        pixels = to_pixels(image, ta_tok.image_size, preset.preprocess)
        seeds = [stream_seed(seed, f"image-tokens-{number}")] if samples else None
        with torch.inference_mode(), without_tf32():
            codes = ta_tok.encode(pixels[None].to(ta_tok.device), scale, seeds)
        rows.append(codes[0].tolist())
    return rows
