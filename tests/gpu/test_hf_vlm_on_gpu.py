"""hf-vlm on a GPU: the CPU's answers and log-likelihoods, whatever the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.records import AnswerRequest, LogLikelihoodRequest, TextDecoding
from model_adapters.hf_vlm.adapter import HFVisionLanguage
from tasks.probes.inputs import picture
from tests.adapters.tiny_vlms import save_tiny_vlm

pytestmark = pytest.mark.gpu

REQUESTS = [
    AnswerRequest(
        prompt="What is there?" + " Look." * i,
        images=(picture(i, 40, 40),) * (1 + i % 2),
        decoding=TextDecoding(max_new_tokens=8),
        seed=i,
    )
    for i in range(6)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vlm(tmp_path_factory.mktemp("vlm"))


def test_answers_are_those_of_the_cpu_in_any_batch(folder: Path) -> None:
    here, there = (
        HFVisionLanguage(str(folder), device=device, dtype="float32") for device in ("cuda", "cpu")
    )
    texts = [here.answer([request])[0].text for request in REQUESTS]
    assert texts == [there.answer([request])[0].text for request in REQUESTS]
    for count in (1, 2):
        same = [r for r in REQUESTS if len(r.images) == count]
        together = [response.text for response in here.answer(same)]
        assert together == [here.answer([request])[0].text for request in same]


def test_log_likelihoods_are_those_of_the_cpu(folder: Path) -> None:
    request = LogLikelihoodRequest(
        prompt="Which?", continuations=("A", "B", "none"), images=(picture(1, 40, 40),)
    )
    found = [
        HFVisionLanguage(str(folder), device=device, dtype="float32")
        .loglikelihood([request])[0]
        .loglikelihoods
        for device in ("cuda", "cpu")
    ]
    np.testing.assert_allclose(*found, atol=1e-3)


def test_the_fingerprint_names_the_gpu(folder: Path) -> None:
    assert HFVisionLanguage(str(folder), device="cuda").fingerprint().device.startswith("cuda")
