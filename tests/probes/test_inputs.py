"""What probes show and ask is a function of a seed."""

from __future__ import annotations

import random

import pytest

from harness.records import Capability, GenerateImageRequest
from tasks.probes.inputs import PROMPTS, Workload, picture
from tasks.probes.latency_metrics import MEASURED

LOAD = Workload(image_size=20, max_new_tokens=7, steps=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (64, 64), (33, 7)])
def test_pictures_have_the_size_asked_for(size: tuple[int, int]):
    assert picture(3, *size).size == size
    assert picture(3, *size).mode == "RGB"


def test_pictures_follow_the_seed_alone():
    random.seed(1)
    first = picture(5, 32, 32).tobytes()
    random.seed(2)
    assert picture(5, 32, 32).tobytes() == first != picture(6, 32, 32).tobytes()
    assert len(picture(5, 64, 64).getcolors()) > 3


@pytest.mark.parametrize("capability", MEASURED)
def test_requests_are_of_their_kind(capability: Capability):
    request = LOAD.request(capability, 0, 11)
    assert request.capability is capability
    assert request.seed == 11
    if capability is not Capability.RECONSTRUCT:
        assert request.prompt == PROMPTS[capability]


def test_places_differ_and_rounds_repeat():
    first, again, other = (LOAD.request(Capability.ANSWER, place, 0) for place in (0, 0, 1))
    assert first.images[0].tobytes() == again.images[0].tobytes() != other.images[0].tobytes()
    assert first.images[0].size == (20, 20)
    assert first.decoding.max_new_tokens == 7


def test_steps_may_be_the_model_s_own():
    own = Workload(image_size=20, max_new_tokens=7, steps=None)
    for load, steps in ((LOAD, 3), (own, None)):
        request = load.request(Capability.GENERATE_IMAGE, 0, 0)
        assert isinstance(request, GenerateImageRequest)
        assert request.decoding.steps == steps
