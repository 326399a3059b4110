"""Tar on a GPU: the CPU's codes and answers, and one picture for one request in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from harness.records import AnswerRequest, GenerateImageRequest, TextDecoding
from model_adapters.tar.adapter import TarAdapter
from model_adapters.tar.reading import read_codes
from tasks.probes.inputs import picture
from tests.tar.conftest import TINY

pytestmark = pytest.mark.gpu

QUESTIONS = [
    AnswerRequest(
        prompt="What is there?" + " Look." * i,
        images=(picture(i, 40, 40),),
        decoding=TextDecoding(max_new_tokens=8),
        seed=i,
    )
    for i in range(4)
]
DRAWINGS = [GenerateImageRequest(prompt="a cat" + "!" * i, seed=i) for i in range(4)]


def test_codes_and_answers_are_those_of_the_cpu() -> None:
    here, there = (TarAdapter(str(TINY), device=d, dtype="float32") for d in ("cuda", "cpu"))
    codes = [
        read_codes(one._parts.ta_tok, [picture(1, 40, 40)], 0, 0, one._settings.preset)
        for one in (here, there)
    ]
    assert codes[0] == codes[1]
    texts = [here.answer([question])[0].text for question in QUESTIONS]
    assert texts == [there.answer([question])[0].text for question in QUESTIONS]
    assert texts == [response.text for response in here.answer(QUESTIONS)]


def test_a_picture_does_not_depend_on_its_batch() -> None:
    adapter = TarAdapter(str(TINY), device="cuda", dtype="float32")
    together = adapter.generate_image(DRAWINGS)
    for request, response in zip(DRAWINGS, together, strict=True):
        (alone,) = adapter.generate_image([request])
        apart = np.asarray(alone.image, dtype=int) - np.asarray(response.image, dtype=int)
        assert np.abs(apart).max() <= 1
