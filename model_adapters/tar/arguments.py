"""What users may set on the adapter, checked before any weights are loaded; no torch here."""

from __future__ import annotations

from typing import Any, Self

from harness.errors import SpecError
from harness.records import Record
from harness.torch_support import one_of
from model_adapters.tar.presets import Preset, choose_preset

__all__ = ["DETOKENIZERS", "SANA", "Settings"]

DETOKENIZERS = ("ar-dtok", "dif-dtok", "none")
"""What draws; with none the model only answers."""

SANA = "sana"
"""Folder of Dif-DTok's pipeline where none is named."""

_USED_BY = {
    "ar-dtok": {"resolution"},
    "dif-dtok": {"resolution", "sana", "steps"},
    "none": set[str](),
}
"""Arguments that a de-tokenizer has a use for."""

_SCALES = (0, 1, 2)


class Settings(Record, frozen=True, kw_only=True):
    """Checked arguments."""

    name: str
    """Of the preset."""

    preset: Preset
    """With what the user sets otherwise."""

    detokenizer: str
    """One of `DETOKENIZERS`."""

    resolution: int | None
    """Pixels of a side; `None` leaves them to the files that are there."""

    sana: str
    """Folder of Dif-DTok's pipeline, in the checkpoint's folder or anywhere."""

    steps: int | None
    """Denoising steps of Dif-DTok where a request names none; `None` is the pipeline's default."""

    read_scale: int
    """0, 1 or 2: how many tokens a picture in a question has."""

    draw_scale: int
    """0, 1 or 2: how many tokens a drawn picture has."""

    @classmethod
    def checked(
        cls,
        *,
        preset: str,
        detokenizer: str,
        resolution: int | None,
        sana: str,
        steps: int | None,
        read_scale: int,
        draw_scale: int,
        **given: Any,
    ) -> Self:
        """Build the settings.

        Args:
            preset: Its name.
            detokenizer: As the field.
            resolution: As the field; `None` takes the preset's.
            sana: As the field.
            steps: As the field.
            read_scale: As the field.
            draw_scale: As the field.
            **given: Fields of the preset that the user sets; `None` leaves one as it is.

        Raises:
            SpecError: A value is impossible, or belongs to another de-tokenizer.
        """
        chosen = choose_preset(preset, given)
        one_of("detokenizer", detokenizer, DETOKENIZERS)
        for name, value in (("resolution", resolution), ("steps", steps)):
            _check_count(name, value)
        for name, value in (("read_scale", read_scale), ("draw_scale", draw_scale)):
            _check_scale(name, value)
        _check_use(detokenizer, resolution=resolution, steps=steps, sana=sana)
        return cls(
            name=preset,
            preset=chosen,
            detokenizer=detokenizer,
            resolution=chosen.resolution if resolution is None else resolution,
            sana=sana,
            steps=steps,
            read_scale=read_scale,
            draw_scale=draw_scale,
        )


def _check_use(detokenizer: str, *, sana: str, **given: object) -> None:
    """Refuse what the chosen de-tokenizer has no use for."""
    given["sana"] = None if sana == SANA else sana
    useless = [n for n, v in given.items() if v is not None and n not in _USED_BY[detokenizer]]
    if useless:
        raise SpecError(
            f"detokenizer={detokenizer} takes no {useless[0]}", f"leave out {useless[0]}"
        )


def _check_count(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(f"{name}={value!r} isn't a positive whole number", f"write {name}=256")


def _check_scale(name: str, value: object) -> None:
    if isinstance(value, bool) or value not in _SCALES:
        raise SpecError(
            f"{name}={value!r} isn't 0, 1 or 2",
            "0 is the finest, as in <S0>; upstream's pool_scale and --seq_scale count from 1",
        )
