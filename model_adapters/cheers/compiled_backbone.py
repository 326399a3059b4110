"""The backbone, compiled for the two passes that are made again and again: a token, and an image.

Prompts go on as they are: each has a length of its own, and would be compiled for one use.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from model_adapters.cheers.backbone import Backbone
from model_adapters.cheers.cache import Window

__all__ = ["compile_backbone"]

_WITHOUT_GRAPHS = {"reduce-overhead": "default", "max-autotune": "max-autotune-no-cudagraphs"}
"""A replayed CUDA graph would need a cache of fixed columns: the others are compiled without."""


def compile_backbone(backbone: Backbone, image_tokens: int, mode: str) -> None:
    """Compile passes over one new token, and over an image's tokens, behind what is cached.

    Each is compiled some three times: for one row, for several of one length, and for several
    of their own lengths. The past may be of any length.

    Args:
        backbone: changed in place; the names of its weights stay.
        image_tokens: tokens of an image.
        mode: a mode of `torch.compile`.
    """
    plain = backbone.forward

    # Two functions, because torch bounds how often one is compiled.
    def one_token(*given: Any) -> Tensor:
        return plain(*given)

    def one_image(*given: Any) -> Tensor:
        return plain(*given)

    mode = _WITHOUT_GRAPHS.get(mode, mode)
    again = {
        1: torch.compile(one_token, mode=mode, dynamic=True),
        image_tokens: torch.compile(one_image, mode=mode, dynamic=True),
    }

    def forward(
        embeds: Tensor, allowed: Tensor | None, positions: Tensor, window: Window | None = None
    ) -> Tensor:
        behind = window is not None and any(window.lengths)
        run = again.get(embeds.shape[1], plain) if behind else plain
        return run(embeds, allowed, positions, window)

    backbone.forward = forward  # type: ignore[method-assign]
