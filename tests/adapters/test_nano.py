"""The embedded cheers-nano itself: batches change nothing, and HFI is at work in it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from harness.records import AnswerRequest, FinishReason, GenerateImageRequest, TextDecoding
from model_adapters.cheers.embedded import NANO_FOLDER, CheersNano, CheersNanoNoHFI
from tasks.probes.inputs import picture

pytestmark = pytest.mark.skipif(
    not (NANO_FOLDER / "config.json").is_file(), reason="no embedded weights; `make train-nano`"
)

LEVELS = 2
"""Grey levels of 255 by which a pixel of a trained model's drawing may differ between batches."""

PROMPTS = ("a photo of a red circle", "a photo of two blue squares", "a cross")
DRAWINGS = [GenerateImageRequest(prompt=PROMPTS[i % 3], seed=i) for i in range(5)]
QUESTIONS = [
    AnswerRequest(
        prompt="what color is the circle?" if i % 2 else "is there a red shape?",
        images=(picture(i, 64, 64),) if i % 3 else (),
        decoding=TextDecoding(max_new_tokens=16),
        seed=i,
    )
    for i in range(12)
]


@pytest.fixture(scope="module")
def nano() -> CheersNano:
    return CheersNano(device="cpu")


def pixels(model: CheersNano, requests: Any) -> Any:
    return [np.asarray(r.image).astype(int) for r in model.generate_image(requests)]


@pytest.fixture(scope="module")
def drawn(nano: CheersNano) -> Any:
    return pixels(nano, DRAWINGS)


def test_a_drawing_does_not_depend_on_its_batch(nano: CheersNano, drawn: Any):
    for place in (0, 3):
        (alone,) = pixels(nano, DRAWINGS[place : place + 1])
        assert np.abs(alone - drawn[place]).max() <= LEVELS


def test_an_answer_does_not_depend_on_its_batch(nano: CheersNano):
    together = [response.text for response in nano.answer(QUESTIONS[::-1])][::-1]
    assert together == [nano.answer([question])[0].text for question in QUESTIONS]
    assert all(together)


def test_without_injection_drawings_are_others(nano: CheersNano, drawn: Any):
    without = pixels(CheersNanoNoHFI(device="cpu"), DRAWINGS)
    assert all(np.abs(a - b).max() > LEVELS for a, b in zip(drawn, without, strict=True))


def test_its_decoding_defaults_are_its_own(nano: CheersNano):
    defaults = nano.fingerprint().defaults
    assert set(defaults) == {"steps", "cfg_scale", "alpha"}
    assert defaults["steps"] < 80  # the official number is for a far larger grid


def test_an_answer_of_one_token_can_be_held_to_more(nano: CheersNano):
    """The trained model answers in a word; of a fixed length it goes on."""
    (free,) = nano.answer(QUESTIONS[:1])
    fixed = msgspec.structs.replace(
        QUESTIONS[0], decoding=TextDecoding(max_new_tokens=16, min_new_tokens=16)
    )
    (held,) = nano.answer([fixed])
    assert free.usage.completion_tokens < 16
    assert (held.usage.completion_tokens, held.finish_reason) == (16, FinishReason.LENGTH)
    assert held.text.startswith(free.text)
