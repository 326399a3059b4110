"""A model that draws the text a prompt quotes: well, blurred, misspelt, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageFilter

from harness.adapter import ModelAdapter
from harness.records import Capability, Fingerprint, ModelCard, Response
from tasks.ocr.lettering import clean_render

Hand = Callable[[str], Image.Image]
"""Text to picture."""


def neat(side: int) -> Hand:
    return lambda text: clean_render(text, side, side)


def blurred(side: int, radius: float) -> Hand:
    return lambda text: clean_render(text, side, side).filter(ImageFilter.GaussianBlur(radius))


def misspelt(side: int) -> Hand:
    """The first character is another one."""
    return lambda text: clean_render(("9" if text[0].isdigit() else "Z") + text[1:], side, side)


class Painter(ModelAdapter):
    """Draws what stands between quotation marks; reconstructs with `lens`."""

    card = ModelCard(
        name="painter",
        summary="Draws quoted text.",
        capabilities=frozenset({Capability.GENERATE_IMAGE, Capability.RECONSTRUCT}),
        licence="Apache-2.0",
        source="test",
        control=True,
    )
    hand: Hand = staticmethod(neat(160))
    lens: Callable[[Image.Image], Image.Image] = staticmethod(lambda image: image)

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="painter",
            adapter="tests.ocr.artists:Painter",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="none",
            device="cpu",
        )

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        texts = [re.search(r'"(.*)"', request.prompt)[1] for request in requests]
        return [Response(image=type(self).hand(text)) for text in texts]

    def reconstruct(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(image=type(self).lens(request.image)) for request in requests]
