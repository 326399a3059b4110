"""Inputs of the probes: plain pictures from a seed, and the same words every time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    Record,
    Request,
    TextDecoding,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.task import Probe

__all__ = ["DATASET", "PROMPTS", "Workload", "picture", "read_workload"]

DATASET = DatasetInfo(
    name="probe-inputs", revision="1", split="all", licence="Apache-2.0", source="generated"
)
"""What probes show to models."""

PROMPTS: Mapping[Capability, str] = {
    Capability.ANSWER: "Describe this picture in detail.",
    Capability.GENERATE_IMAGE: "a photo of a red apple on a wooden table",
    Capability.EDIT_IMAGE: "Make the background green.",
    Capability.LOGLIKELIHOOD: "What is the main colour of this picture?",
}
"""The one prompt of each capability; `reconstruct` has none."""

_CONTINUATIONS = ("red", "green", "blue", "yellow")
_SHAPES = 8


def picture(seed: int, width: int, height: int) -> Image:
    """A picture of overlapping rectangles and ellipses: a function of its arguments alone.

    Args:
        seed: Seed of colours and places.
        width: Pixels.
        height: Pixels.

    Example:
        >>> picture(0, 32, 16).tobytes() == picture(0, 32, 16).tobytes()
        True
    """
    from PIL import Image as PILImage
    from PIL import ImageDraw

    rng = random.Random(seed)
    image = PILImage.new("RGB", (width, height), _colour(rng))
    draw = ImageDraw.Draw(image)
    for index in range(_SHAPES):
        left, right = sorted(rng.randrange(width) for _ in range(2))
        top, bottom = sorted(rng.randrange(height) for _ in range(2))
        shape = draw.ellipse if index % 2 else draw.rectangle
        shape((left, top, right, bottom), fill=_colour(rng))
    return image


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


class Workload(Record, frozen=True, kw_only=True):
    """How large the requests of a probe are."""

    image_size: int
    """Width and height in pixels of the pictures shown to the model."""

    max_new_tokens: int
    """Upper bound on the tokens of an answer."""

    fixed_length: bool = False
    """Whether answers have exactly that many, where the adapter can hold the model to it."""

    steps: int | None
    """Denoising steps; `None` is the model's own number."""

    def request(self, capability: Capability, index: int, seed: int) -> Request:
        """The request of one place in a batch.

        Args:
            capability: What is asked for.
            index: Place in the batch; each place has a picture of its own, the same every round.
            seed: Seed of the request.
        """
        return _BUILDERS[capability](self, index, seed)

    def picture(self, index: int) -> Image:
        """The picture of one place in a batch."""
        return picture(index, self.image_size, self.image_size)

    def text_decoding(self) -> TextDecoding:
        """Greedy decoding."""
        most = self.max_new_tokens
        return TextDecoding(max_new_tokens=most, min_new_tokens=most if self.fixed_length else 0)

    def image_decoding(self) -> ImageDecoding:
        """The model's own decoding, but for the number of steps."""
        return ImageDecoding(steps=self.steps)


def read_workload(probe: Probe) -> Workload:
    """The workload of a probe's options of the same names.

    Raises:
        SpecError: One is no whole number, or below 1, or neither on nor off.
    """
    return Workload(
        image_size=probe.whole("image_size", least=1),
        max_new_tokens=probe.whole("max_new_tokens", least=1),
        fixed_length=probe.switch("fixed_length"),
        steps=None if probe.options["steps"] is None else probe.whole("steps", least=1),
    )


def _answer(load: Workload, index: int, seed: int) -> Request:
    return AnswerRequest(
        prompt=PROMPTS[Capability.ANSWER],
        images=(load.picture(index),),
        decoding=load.text_decoding(),
        seed=seed,
    )


def _generate(load: Workload, index: int, seed: int) -> Request:
    del index  # the noise of each place comes from its seed
    return GenerateImageRequest(
        prompt=PROMPTS[Capability.GENERATE_IMAGE], decoding=load.image_decoding(), seed=seed
    )


def _edit(load: Workload, index: int, seed: int) -> Request:
    return EditImageRequest(
        prompt=PROMPTS[Capability.EDIT_IMAGE],
        image=load.picture(index),
        decoding=load.image_decoding(),
        seed=seed,
    )


def _loglikelihood(load: Workload, index: int, seed: int) -> Request:
    return LogLikelihoodRequest(
        prompt=PROMPTS[Capability.LOGLIKELIHOOD],
        continuations=_CONTINUATIONS,
        images=(load.picture(index),),
        seed=seed,
    )


def _reconstruct(load: Workload, index: int, seed: int) -> Request:
    return ReconstructRequest(image=load.picture(index), seed=seed)


_BUILDERS: Mapping[Capability, Callable[[Workload, int, int], Request]] = {
    Capability.ANSWER: _answer,
    Capability.GENERATE_IMAGE: _generate,
    Capability.EDIT_IMAGE: _edit,
    Capability.LOGLIKELIHOOD: _loglikelihood,
    Capability.RECONSTRUCT: _reconstruct,
}
