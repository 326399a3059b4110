"""What tasks from text to image share: a bare prompt, drawn several times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from harness.records import (
    GenerateImageRequest,
    ImageDecoding,
    JsonValue,
    Request,
    Response,
    Sample,
)
from harness.task import Task

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DrawingTask", "picture_of"]


class DrawingTask(Task):
    """Asks for `sample.data["prompt"]` as it is, `images` times a prompt."""

    _decoding = ImageDecoding()
    """What the protocol demands; fields left open are the model's."""

    def request(self, sample: Sample, seed: int) -> Request:
        """The bare prompt, with the decoding that the protocol demands."""
        return GenerateImageRequest(
            prompt=str(sample.data["prompt"]), decoding=self._decoding, seed=seed
        )

    def prompt_template(self) -> str:
        """The prompt alone."""
        return "{prompt}"

    def repeats(self) -> int:
        """Images per prompt."""
        return self.whole("images", 1)

    def decoding(self) -> Mapping[str, JsonValue]:
        """What the protocol demands; empty leaves decoding to the model."""
        fields = msgspec.structs.asdict(self._decoding)
        return {name: value for name, value in fields.items() if value is not None}


def picture_of(response: Response) -> Image:
    """The picture of a response.

    Raises:
        ValueError: It has none.
    """
    if response.image is None:
        raise ValueError("the response has no picture to judge")
    return response.image
