"""Explanations of CHEERS: the image of the run, the gate step by step, the path to the image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from harness.errors import CapabilityError
from harness.records import (
    AnswerRequest,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
)
from model_adapters.cheers.embedded import CheersNano
from model_adapters.cheers.explaining import SHOWN

PROMPT = "a photo of a red circle"
SIDE, GAP = 64, 4


@pytest.fixture(scope="module")
def model() -> CheersNano:
    return CheersNano(device="cpu", steps=4)


def _tiles(strip: Image.Image) -> list[np.ndarray]:
    pixels = np.asarray(strip).astype(int)
    return [pixels[:, x : x + SIDE] for x in range(0, strip.width, SIDE + GAP)]


def test_the_image_is_that_of_the_run(model: CheersNano):
    request = GenerateImageRequest(prompt=PROMPT, seed=5)
    drawn = model.generate_image([request])[0].image
    explained = model.explain(request).response.image
    assert np.array_equal(np.asarray(drawn), np.asarray(explained))


def test_strips_have_a_tile_for_each_step_and_end_at_the_image(model: CheersNano):
    explanation = model.explain(GenerateImageRequest(prompt=PROMPT, seed=5))
    assert set(explanation.pictures) == {"heat maps", "denoising"}
    tiles = {name: _tiles(strip) for name, strip in explanation.pictures.items()}
    assert [len(found) for found in tiles.values()] == [4, 4]
    image = np.asarray(explanation.response.image).astype(int)
    apart = [np.abs(tile - image).mean() for tile in tiles["denoising"]]
    assert max(apart) == apart[0]
    assert apart[-1] == 0
    assert 0 < apart[-2] < apart[0]


def test_many_steps_are_spread_over_few_tiles(model: CheersNano):
    decoding = ImageDecoding(steps=2 * SHOWN)
    explanation = model.explain(GenerateImageRequest(prompt=PROMPT, decoding=decoding, seed=1))
    widths = {strip.width for strip in explanation.pictures.values()}
    assert widths == {SHOWN * (SIDE + GAP) - GAP}


def test_edits_are_explained_too(model: CheersNano):
    source = Image.new("RGB", (SIDE, SIDE), "white")
    request = EditImageRequest(prompt="make it red", image=source, seed=2)
    explanation = model.explain(request)
    drawn = model.edit_image([request])[0].image
    assert np.array_equal(np.asarray(drawn), np.asarray(explanation.response.image))


def test_answers_have_nothing_to_show(model: CheersNano):
    with pytest.raises(CapabilityError, match="'cheers-nano' has no pictures"):
        model.explain(AnswerRequest(prompt="What is this?"))
