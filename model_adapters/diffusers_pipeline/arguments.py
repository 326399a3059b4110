"""What users may set on the adapter, checked before any weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from harness.errors import SpecError
from harness.records import JsonValue, Record
from harness.torch_support import one_of

__all__ = ["RESERVED", "Settings"]

RESERVED = {
    "prompt": "the task's",
    "image": "the task's",
    "generator": "the request's seed",
    "latents": "the request's seed",
    "num_images_per_prompt": "the task's repeats",
    "output_type": "the adapter's",
    "return_dict": "the adapter's",
    "callback_on_step_end": "the adapter's",
    "num_inference_steps": "the argument steps",
    "guidance_scale": "the argument cfg_scale",
    "true_cfg_scale": "the argument cfg_scale",
    "width": "the argument width",
    "height": "the argument height",
    "strength": "the argument strength",
}
"""Arguments of a pipeline's call that `call` can't set, and whose they are."""


class Settings(Record, frozen=True, kw_only=True):
    """Decoding where a task leaves it open, and switches."""

    steps: int | None
    """Denoising steps; `None` is the pipeline's default."""

    cfg_scale: float | None
    """Guidance scale; `None` is the pipeline's default."""

    width: int | None
    """Pixels; `None` is the pipeline's default."""

    height: int | None
    """Pixels; `None` is the pipeline's default."""

    strength: float | None
    """Share of the noise schedule that image-to-image runs through, in (0, 1]."""

    call: Mapping[str, JsonValue]
    """Further arguments of the pipeline's call."""

    batching: str
    """`auto`, `together` or `alone`."""

    lora_scale: float
    """What a LoRA is multiplied by."""

    offload: str
    """`none`, `model` or `sequential`."""

    extra_tensors: str
    """`report` or `refuse`."""

    @classmethod
    def checked(cls, *, call: Mapping[str, JsonValue] | None, **values: Any) -> Self:
        """Build the settings.

        Raises:
            SpecError: A value is impossible, or `call` sets what isn't its own.
        """
        for name in ("steps", "width", "height"):
            _check(name, values[name], whole=True)
        for name in ("cfg_scale", "strength"):
            _check(name, values[name], whole=False)
        if values["strength"] is not None and values["strength"] > 1:
            raise SpecError(f"strength={values['strength']} is above 1", "write strength=0.8")
        one_of("batching", values["batching"], ("auto", "together", "alone"))
        one_of("offload", values["offload"], ("none", "model", "sequential"))
        one_of("extra_tensors", values["extra_tensors"], ("report", "refuse"))
        _check("lora_scale", values["lora_scale"], whole=False)
        return cls(call=_checked_call(call), **values)


def _check(name: str, value: Any, *, whole: bool) -> None:
    kinds = int if whole else int | float
    if value is None or (
        isinstance(value, kinds)
        and not isinstance(value, bool)
        and (value > 0 or (name == "cfg_scale" and value == 0))
    ):
        return
    kind = "whole number" if whole else "number"
    raise SpecError(f"{name}={value!r} isn't a positive {kind}", f"write {name}=20")


def _checked_call(call: object) -> Mapping[str, JsonValue]:
    if call is None:
        return {}
    if not isinstance(call, Mapping) or not all(isinstance(name, str) for name in call):
        raise SpecError(
            f"call={call!r:.60} isn't an object", """write 'call={"negative_prompt": "blurry"}'"""
        )
    for name in call:
        if name in RESERVED:
            raise SpecError(f"call sets {name!r}, which is {RESERVED[name]}", f"leave out {name}")
    return dict(call)
