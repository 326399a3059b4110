"""The null model: a control that is what it says."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    RunStatus,
)
from harness.registry import models
from harness.run.contract import check_count, check_response
from model_adapters.null import NullModel, noise_image
from tests.harness import toys
from tests.harness.conftest import Run


def test_it_is_registered_as_a_control():
    assert models().get("null") is NullModel
    assert NullModel.card.control


def test_it_answers_with_its_string_and_the_seed_if_told():
    requests = [AnswerRequest(prompt=p, seed=s) for p, s in (("a", 1), ("b", 2))]
    assert [r.text for r in NullModel().answer(requests)] == ["A", "A"]
    told = NullModel(answer="no", with_seed=True)
    assert [r.text for r in told.answer(requests)] == ["no 1", "no 2"]


def test_noise_is_a_function_of_the_seed_and_uniform():
    image = noise_image(64, 32, 7)
    assert (image.mode, image.size) == ("RGB", (64, 32))
    assert image == noise_image(64, 32, 7)
    assert image != noise_image(64, 32, 8)
    values = image.tobytes()
    assert 120 < sum(values) / len(values) < 135
    assert len(set(values)) == 256


def test_pictures_have_the_requested_or_the_default_size():
    def size(width: int | None, height: int | None) -> Any:
        decoding = ImageDecoding(width=width, height=height)
        request = GenerateImageRequest(prompt="x", decoding=decoding, seed=3)
        image = NullModel(size=16).generate_image([request])[0].image
        return image and image.size

    assert size(None, None) == (16, 16)
    assert size(24, None) == (24, 16)
    assert size(8, 4) == (8, 4)


def test_edits_and_reconstructions_return_their_input():
    image = toys.noise(1, 9, 5)
    model = NullModel()
    assert model.edit_image([EditImageRequest(prompt="x", image=image)])[0].image == image
    assert model.reconstruct([ReconstructRequest(image=image)])[0].image == image
    assert model.reconstruct([ReconstructRequest(image=image.convert("L"))])[0].image is not None


@pytest.mark.parametrize(
    "request_",
    [
        AnswerRequest(prompt="x"),
        GenerateImageRequest(prompt="x"),
        EditImageRequest(prompt="x", image=toys.noise(1, 4, 4).convert("RGBA")),
        LogLikelihoodRequest(prompt="x", continuations=("a", "bb")),
        ReconstructRequest(image=toys.noise(1, 4, 4).convert("L")),
    ],
)
def test_it_keeps_the_contract(request_: Any):
    model = NullModel()
    responses = getattr(model, request_.capability.value)([request_])
    check_count([request_], responses)
    check_response(request_, responses[0])
    assert request_.capability in model.card.capabilities


def test_it_does_not_claim_what_it_has_not():
    assert Capability.VISION_TOKENS not in NullModel.card.capabilities


def test_its_arguments_are_in_its_fingerprint():
    prints = [NullModel(), NullModel(answer="B"), NullModel(with_seed=True), NullModel(size=8)]
    assert len({str(model.fingerprint()) for model in prints}) == 4


def test_a_bad_size_is_refused():
    with pytest.raises(SpecError, match="size is 0"):
        NullModel(size=0)


def test_it_runs_every_kind_of_task(run: Run):
    names = ["toy-pictures", "toy-edits", "toy-reconstruction"]
    assert run(*names, model="null").status is RunStatus.COMPLETE
