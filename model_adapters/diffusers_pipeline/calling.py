"""How a pipeline's call is driven: which of its arguments a request's decoding becomes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from harness.errors import AdapterError, CheckpointError, SpecError
from harness.names import suggest
from harness.records import ImageDecoding, JsonValue
from model_adapters.diffusers_pipeline.arguments import RESERVED, Settings
from model_adapters.diffusers_pipeline.components import denoisers

__all__ = ["Caller", "edits", "image_to_image"]

_DRAWS_AND_EDITS = frozenset(
    {
        "Flux2KleinKVPipeline",
        "Flux2KleinPipeline",
        "Flux2Pipeline",
        "FluxKontextPipeline",
        "QwenImage21Pipeline",
    }
)
"""Pipelines that take a picture and can do without. Their signatures don't tell them from those
that can't: every picture's default is `None`."""


def edits(pipeline: Any) -> tuple[bool, bool]:
    """Whether a pipeline draws from a text alone, and whether it takes a picture to edit."""
    takes = "image" in inspect.signature(type(pipeline).__call__).parameters
    return not takes or type(pipeline).__name__ in _DRAWS_AND_EDITS, takes


def image_to_image(pipeline: Any) -> Any:
    """The image-to-image pipeline over the same networks.

    Raises:
        CheckpointError: diffusers has none for this pipeline.
    """
    from diffusers import AutoPipelineForImage2Image

    try:
        found = AutoPipelineForImage2Image.from_pipe(pipeline)
    except ValueError as error:
        raise CheckpointError(
            f"strength is given, but diffusers has no image-to-image {type(pipeline).__name__}",
            "leave out strength",
        ) from error
    found.set_progress_bar_config(disable=True)
    return found


class Caller:
    """The arguments of one pipeline's call.

    Args:
        pipeline: The pipeline.
        settings: What applies where a request leaves a field open.
        editing: Whether it edits; pictures then keep their size unless one is named.
        beside: Whether it shares its settings with another pipeline that has taken them all; what
            has no place in this one is then left out.

    Raises:
        SpecError: The settings name something that the pipeline doesn't take.
    """

    def __init__(
        self, pipeline: Any, settings: Settings, *, editing: bool = False, beside: bool = False
    ) -> None:
        self.pipeline = pipeline
        self.parameters = inspect.signature(type(pipeline).__call__).parameters
        self._names = {
            "steps": "num_inference_steps",
            "cfg_scale": self._guidance(),
            "width": "width",
            "height": "height",
        }
        if not beside:
            self._check(settings)
        self.call = self._call(settings)
        self.defaults = self._defaults(settings, editing=editing)

    @property
    def name(self) -> str:
        """The pipeline's class."""
        return type(self.pipeline).__name__

    def arguments(self, decoding: ImageDecoding, count: int) -> dict[str, Any]:
        """What the call takes for a decoding.

        Args:
            decoding: The request's; its fields go before the defaults.
            count: Prompts in the call.

        Raises:
            AdapterError: A field is set that the pipeline has no argument for.
        """
        if decoding.alpha is not None:
            raise AdapterError(
                f"{self.name} takes no alpha: its scheduler has a time shift of its own",
                "leave alpha open",
            )
        asked = {name: getattr(decoding, name) for name in self._names}
        for name, value in asked.items():
            if value is not None and self._argument(name) is None:
                raise AdapterError(f"{self.name} takes no {name}", f"leave {name} open")
        chosen: dict[str, Any] = {k: self.defaults[k] if v is None else v for k, v in asked.items()}
        found = {str(self._argument(k)): v for k, v in chosen.items() if v is not None}
        if "max_area" in self.parameters and "width" in found and "height" in found:
            # Without it, the pipeline scales every size to a megapixel.
            found["max_area"] = found["width"] * found["height"]
        return {**found, **self._for_each(count)}

    def _for_each(self, count: int) -> dict[str, JsonValue]:
        """Further arguments; some pipelines want a negative prompt for each prompt."""
        return {
            name: [value] * count if name.startswith("negative_prompt") and count > 1 else value
            for name, value in self.call.items()
        }

    def _argument(self, field: str) -> str | None:
        name = self._names[field]
        return name if name in self.parameters else None

    def _guidance(self) -> str:
        """Name of the guidance scale; a distilled one is passed over where the model has none."""
        distilled = self.parameters.get("guidance_scale")
        configs = [module.config for module in denoisers(self.pipeline)]
        lacks = any(config.get("guidance_embeds") is False for config in configs)
        useless = distilled is None or distilled.default is None or lacks
        instead = useless and "true_cfg_scale" in self.parameters
        return "true_cfg_scale" if instead else "guidance_scale"

    def _check(self, settings: Settings) -> None:
        for field in self._names:
            if getattr(settings, field) is not None and self._argument(field) is None:
                raise SpecError(f"{self.name} takes no {field}", f"leave out {field}")
        known = [name for name in self.parameters if name not in {"self", "kwargs", *RESERVED}]
        for name in settings.call:
            if name not in known:
                raise SpecError(
                    f"{self.name} takes no argument {name!r}",
                    suggest(name, known) or f"it takes: {', '.join(known)}",
                )

    def _call(self, settings: Settings) -> Mapping[str, JsonValue]:
        found = {name: v for name, v in settings.call.items() if name in self.parameters}
        if "strength" in self.parameters and settings.strength is not None:
            found["strength"] = settings.strength
        if self._names["cfg_scale"] == "true_cfg_scale" and "negative_prompt" in self.parameters:
            found.setdefault("negative_prompt", " ")  # without one there would be no guidance
        return found

    def _defaults(self, settings: Settings, *, editing: bool) -> dict[str, JsonValue]:
        """What is passed where a request leaves a field open; `None` leaves it to the pipeline."""
        return {
            field: self._default(field, getattr(settings, field), editing=editing)
            for field in self._names
        }

    def _default(self, field: str, given: float | None, *, editing: bool) -> JsonValue:
        name, is_size = self._argument(field), field in ("width", "height")
        if name is None or given is not None:
            return given if name else None
        if editing and is_size:
            return None
        stated: JsonValue = self.parameters[name].default
        return self._own_size() if is_size and stated is None else stated

    def _own_size(self) -> int | None:
        """Side in pixels that the pipeline takes when none is named; `None` if it doesn't say."""
        sides = [getattr(self.pipeline, "default_sample_size", None)]
        sides += [module.config.get("sample_size") for module in denoisers(self.pipeline)]
        side = next((side for side in sides if isinstance(side, int)), None)
        factor = getattr(self.pipeline, "vae_scale_factor", None)
        return side * factor if isinstance(factor, int) and side is not None else None
