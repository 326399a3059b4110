"""Calling a pipeline so that a picture is a function of its request."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from harness.errors import AdapterError
from harness.torch_support import wait_for
from model_adapters.diffusers_pipeline.components import count_rows
from model_adapters.diffusers_pipeline.quiet import quietly

__all__ = ["Drawn", "draw", "to_image"]


class Drawn(NamedTuple):
    """What came of one call."""

    images: list[Image.Image]
    """One per prompt."""

    nfe: int | None
    """Denoiser evaluations per picture, each guidance branch counted; `None` if none was seen."""

    first: float | None
    """`time.perf_counter()` at the end of the first step; `None` if the pipeline doesn't say."""

    alone: bool
    """Whether the call drew from torch's global generator, which one request must have alone."""


def draw(
    pipeline: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    arguments: Mapping[str, Any],
    device: str,
) -> Drawn:
    """Draw a picture per prompt.

    Each picture's noise comes from a generator of its own, on the CPU, so that it's the same on
    every device. Some schedulers draw from torch's global generator all the same: it's seeded with
    the first seed, and put back afterwards.

    Args:
        pipeline: The pipeline.
        prompts: The texts.
        seeds: Seed of each picture.
        arguments: Further arguments of the call; `prompt` among them goes before the texts, which
            a pipeline that is given embeddings must not see.
        device: Where the pipeline is.

    Raises:
        AdapterError: The pipeline refuses, or a picture is no picture: blacked out by the safety
            checker, not finite, or of another size than was asked for.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    one = len(prompts) == 1  # not every pipeline takes lists
    steps = _FirstStep(pipeline, device)
    with quietly(), count_rows(pipeline) as rows, _seeded(seeds[0], device) as has_drawn:
        result = _called(
            pipeline,
            **{
                "prompt": prompts[0] if one else list(prompts),
                "generator": generators[0] if one else generators,
                "output_type": "np",
                **steps.arguments(),
                **arguments,
            },
        )
        alone = has_drawn()
    if len(prompts) > 1 and alone:
        return Drawn([], None, None, alone=True)
    images = _pictures(pipeline, result, len(prompts))
    _check_sizes(pipeline, images, arguments)
    nfe = sum(rows) // len(prompts) if rows else None
    return Drawn(images, nfe, steps.end, alone)


def to_image(values: Any) -> Image.Image:
    """A picture of (height, width, 3) float values in [0, 1].

    Raises:
        AdapterError: A value isn't finite.
    """
    if not np.isfinite(values).all():
        raise AdapterError(
            "the decoded picture has values that aren't finite",
            "the VAE may need more range than float16 has: use dtype=bfloat16 or float32",
        )
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8)).convert("RGB")


def _called(pipeline: Any, **arguments: Any) -> Any:
    try:
        with torch.no_grad():
            return pipeline(**arguments)
    except torch.OutOfMemoryError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        raise AdapterError(
            f"{type(pipeline).__name__} refuses the request: {type(error).__name__}: {error}",
            "check size, steps and guidance against the pipeline's documentation",
        ) from error


def _pictures(pipeline: Any, result: Any, count: int) -> list[Image.Image]:
    name, images = type(pipeline).__name__, getattr(result, "images", None)
    if images is None or len(images) != count or np.ndim(images[0]) != 3:
        raise AdapterError(
            f"{name} gave no {'picture' if count == 1 else 'pictures'}",
            "name a pipeline that draws pictures, not videos or embeddings",
        )
    if any(getattr(result, "nsfw_content_detected", None) or ()):
        raise AdapterError(
            f"{name}'s safety checker blacked out a picture",
            "it counts as an error; --model-arg safety_checker=off draws without the checker",
        )
    return [to_image(np.asarray(image, dtype=np.float64)) for image in images]


def _check_sizes(pipeline: Any, images: list[Image.Image], arguments: Mapping[str, Any]) -> None:
    got = images[0].size
    want = tuple(
        arguments.get(name) or side for name, side in zip(("width", "height"), got, strict=True)
    )
    if want != got:
        raise AdapterError(
            f"{type(pipeline).__name__} drew {got[0]}x{got[1]} pixels, not {want[0]}x{want[1]}",
            "ask for a size that it can draw, usually a multiple of 16",
        )


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[Callable[[], bool]]:
    """Seed torch's global generators for a while; the function says if they were drawn from."""
    cuda = device.startswith("cuda")
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        before = _states(device)
        yield lambda: not all(map(torch.equal, before, _states(device)))


def _states(device: str) -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.startswith("cuda") else states


class _FirstStep:
    """Notes when the first denoising step ends, where the pipeline can say so."""

    def __init__(self, pipeline: Any, device: str) -> None:
        self.end: float | None = None
        self._device = device
        self._told = "callback_on_step_end" in inspect.signature(type(pipeline).__call__).parameters

    def arguments(self) -> dict[str, Any]:
        return {"callback_on_step_end": self._note} if self._told else {}

    def _note(self, *told: Any) -> Any:
        """Take pipeline, step, time and tensors; give back the tensors, unchanged."""
        if self.end is None:
            wait_for(self._device)
            self.end = time.perf_counter()
        return told[-1]
