"""Pools of images that the stages draw from, as uint8 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["easy_vqa_images", "to_pixels"]


def easy_vqa_images(split: str, limit: int | None = None) -> NDArray[np.uint8]:
    """Images of easy-VQA in the order of their ids, uint8 (N, 64, 64, 3).

    Args:
        split: `train` or `test`.
        limit: How many, from the first; all by default.
    """
    import easy_vqa
    from PIL import Image

    paths: dict[int, Any] = (
        easy_vqa.get_train_image_paths() if split == "train" else easy_vqa.get_test_image_paths()
    )
    chosen = sorted(paths)[:limit]
    images = []
    for number in chosen:
        with Image.open(paths[number]) as image:
            images.append(np.asarray(image.convert("RGB")))
    return np.stack(images)


def to_pixels(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, S, S, 3) to float32 (N, 3, S, S) in [0, 1], channels last in memory."""
    batch = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return batch.float().div_(255).contiguous(memory_format=torch.channels_last)
