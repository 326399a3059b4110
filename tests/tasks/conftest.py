"""Hostile answers and odd pictures."""

import pytest
from PIL import Image


@pytest.fixture(
    params=[
        "",
        " \n",
        "A" * 10_000_000,
        "\x00\x1b[31m\u202e",
        "B. ".join(["x"] * 999),
        "😀é\u0301",
    ],
    ids=["empty", "blank", "10MB", "control", "repeated", "unicode"],
)
def hostile_text(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.fixture(params=[(1, 1), (64, 64), (3, 200), (512, 512)], ids=str)
def odd_image(request: pytest.FixtureRequest) -> Image.Image:
    return Image.new("RGB", request.param, (10, 200, 30))
