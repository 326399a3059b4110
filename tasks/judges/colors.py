"""Colour classifiers by name."""

from __future__ import annotations

from typing import Any

from harness.errors import SpecError
from harness.names import suggest
from tasks.judges.clip_network import Activation
from tasks.judges.interface import ColorJudge

__all__ = ["build_color_judge"]

_ACTIVATIONS: dict[str, Activation] = {
    "clip": "quickgelu",
    "clip-legacy-gelu": "legacy-gelu",
    "clip-gelu": "gelu",
}


def build_color_judge(
    name: str,
    weights: str | None,
    device: str = "cpu",
    architecture: str | dict[str, Any] = "ViT-L-14",
) -> ColorJudge:
    """Build a colour classifier.

    Args:
        name: `clip` computes with QuickGELU, as OpenAI's weights were trained; `clip-legacy-gelu`
            with plain GELU whatever they were trained with, as recent open_clip does with OpenAI's
            weights loaded by path; `clip-gelu` is for weights that were trained with plain GELU;
            `classical` is the embedded world's palette.
        weights: File of open_clip weights, or `random:SEED`; CLIP needs one.
        device: Where it runs.
        architecture: Name of an open_clip architecture, or its configuration.

    Raises:
        SpecError: The name is unknown, CLIP has no weights, or there's no such device.
        CheckpointError: The weights can't be used.
    """
    if name == "classical":
        from tasks.judges.palette_colors import PaletteColors

        return PaletteColors()
    if name not in _ACTIVATIONS:
        known = ["classical", *_ACTIVATIONS]
        hint = suggest(name, known) or "it is one of " + ", ".join(known)
        raise SpecError(f"unknown colour classifier {name!r}", hint)
    if weights is None:
        raise SpecError(f"{name!r} needs weights", "give a file, or random:0 to test plumbing")
    from tasks.judges.clip_colors import ClipColors

    return ClipColors(
        weights, activation=_ACTIVATIONS[name], architecture=architecture, device=device
    )
