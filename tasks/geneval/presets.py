"""Decoding that a protocol demands, by name."""

from __future__ import annotations

from harness.errors import SpecError
from harness.names import suggest
from harness.records import ImageDecoding

__all__ = ["PRESETS", "preset_decoding"]

PRESETS: dict[str, ImageDecoding] = {
    "none": ImageDecoding(),
    "cheers-script": ImageDecoding(cfg_scale=9.5, steps=80, alpha=1.0),
    "cheers-readme": ImageDecoding(cfg_scale=9.5, steps=80, alpha=0.5),
}
"""Presets: the model's own settings; the GenEval script of AI9Stars/Cheers at commit da1cb77, which
passes no alpha; and the settings of its README."""


def preset_decoding(name: str) -> ImageDecoding:
    """The decoding of a preset.

    Raises:
        SpecError: There is no such preset.

    Example:
        >>> preset_decoding("cheers-script").steps
        80
    """
    if name not in PRESETS:
        raise SpecError(
            f"unknown preset {name!r}", suggest(name, PRESETS) or "presets: " + ", ".join(PRESETS)
        )
    return PRESETS[name]
