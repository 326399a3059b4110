"""cheers-nano and its controls, on a stand-in for the embedded checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import CheckpointError, SpecError
from harness.models import build_model, find_model
from harness.records import Capability, GenerateImageRequest
from harness.runspec import ModelRef
from model_adapters.cheers import embedded
from model_adapters.cheers.adapter import CheersAdapter
from model_adapters.cheers.embedded import CheersNano, CheersNanoNoHFI, CheersNanoUntrained

NAMES = {
    "cheers": CheersAdapter,
    "cheers-nano": CheersNano,
    "cheers-nano-no-hfi": CheersNanoNoHFI,
    "cheers-nano-untrained": CheersNanoUntrained,
}


@pytest.fixture
def stand_in(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "NANO_FOLDER", checkpoint)


@pytest.mark.parametrize("name", NAMES)
def test_the_names_are_registered(name: str):
    assert find_model(name) is NAMES[name]
    assert NAMES[name].card.name == name
    assert NAMES[name].card.capabilities == frozenset(Capability)
    assert NAMES[name].card.control == (name in ("cheers-nano-no-hfi", "cheers-nano-untrained"))


def test_missing_weights_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "NANO_FOLDER", tmp_path / "nano")
    with pytest.raises(CheckpointError, match="make train-nano"):
        CheersNano()


def test_the_untrained_control_is_seeded_and_of_the_same_architecture(stand_in: None):
    trained = CheersNano(device="cpu").fingerprint()
    first, again, other = (
        CheersNanoUntrained(weights_seed=seed, device="cpu").fingerprint() for seed in (0, 0, 1)
    )
    assert first.weights_sha256 == again.weights_sha256
    assert len({trained.weights_sha256, first.weights_sha256, other.weights_sha256}) == 3
    assert first.config == trained.config
    assert first.parameters == trained.parameters


def test_the_control_without_injection_has_the_same_weights(stand_in: None):
    trained, control = CheersNano(device="cpu"), CheersNanoNoHFI(device="cpu")
    ours, theirs = trained.fingerprint(), control.fingerprint()
    assert ours.weights_sha256 == theirs.weights_sha256
    assert theirs.config["switches"] == {**ours.config["switches"], "hfi": False}
    request = GenerateImageRequest(prompt="a circle", seed=3)
    drawn = [np.asarray(model.generate_image([request])[0].image) for model in (trained, control)]
    assert (drawn[0] != drawn[1]).any()


def test_arguments_reach_the_adapter(stand_in: None):
    ref = ModelRef(name="cheers-nano", args={"steps": 5, "prompt_form": "no-dummy"})
    fingerprint = build_model(ref).fingerprint()
    assert fingerprint.defaults["steps"] == 5
    assert fingerprint.config["switches"]["prompt_form"] == "no-dummy"


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("cheers-nano", {"path": "/elsewhere"}),
        ("cheers-nano-no-hfi", {"hfi": True}),
        ("cheers-nano-untrained", {"step": 3}),
    ],
)
def test_arguments_that_a_model_lacks_are_refused(name: str, args: dict[str, Any]):
    with pytest.raises(SpecError, match="it takes: "):
        build_model(ModelRef(name=name, args=args))
