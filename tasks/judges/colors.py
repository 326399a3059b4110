"""Colour classifiers by name."""

from __future__ import annotations

from harness.errors import SpecError
from harness.names import suggest
from tasks.judges.clip_network import Activation
from tasks.judges.interface import ColorJudge

__all__ = ["build_color_judge"]

_ACTIVATIONS: dict[str, Activation] = {"clip": "quickgelu", "clip-legacy-gelu": "legacy-gelu"}


def build_color_judge(name: str, weights: str | None, device: str = "cpu") -> ColorJudge:
    """Build a colour classifier.

    Args:
        name: `clip` computes as the weights were trained; `clip-legacy-gelu` with plain GELU, as
            recent open_clip does with OpenAI's weights loaded by path; `classical` is the embedded
            world's palette.
        weights: File of open_clip weights, or `random:SEED`; CLIP needs one.
        device: Where it runs.

    Raises:
        SpecError: The name is unknown, or CLIP has no weights.
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

    return ClipColors(weights, activation=_ACTIVATIONS[name], device=device)
