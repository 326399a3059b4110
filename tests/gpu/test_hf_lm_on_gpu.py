"""A small language model on a GPU: the CPU's texts and likelihoods, each row with its own end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.records import AnswerRequest, LogLikelihoodRequest, TextDecoding
from model_adapters.hf_lm.adapter import HFLanguageModel
from tests.language import tiny

pytestmark = pytest.mark.gpu

NATS = 1e-3
PROMPTS = [f"The quick {word}" for word in ("fox", "dog", "sea", "river", "bird")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def sides(folder: Path) -> tuple[HFLanguageModel, HFLanguageModel]:
    return (
        HFLanguageModel(str(folder), device="cpu"),
        HFLanguageModel(str(folder), device="cuda", dtype="float32"),
    )


def _said(model: HFLanguageModel, prompts: list[str], **decoding: Any) -> list[Any]:
    given = TextDecoding(**{"max_new_tokens": 24, "stop": ("a", "e"), **decoding})
    asked = [AnswerRequest(prompt=p, raw=True, decoding=given, seed=7) for p in prompts]
    return [(r.text, r.finish_reason, r.usage) for r in model.answer(asked)]


@pytest.mark.parametrize("decoding", [{}, {"temperature": 1.2, "top_p": 0.9}])
def test_texts_are_the_cpus_in_any_batch(
    sides: tuple[HFLanguageModel, HFLanguageModel], decoding: dict[str, float]
):
    cpu, gpu = sides
    want = _said(cpu, PROMPTS, **decoding)
    assert _said(gpu, PROMPTS, **decoding) == want
    assert [_said(gpu, [prompt], **decoding)[0] for prompt in PROMPTS] == want
    assert len({usage.completion_tokens for _, _, usage in want}) > 1


def test_likelihoods_are_the_cpus(sides: tuple[HFLanguageModel, HFLanguageModel]):
    requests = [
        LogLikelihoodRequest(prompt=prompt, continuations=(" a sea", " 2", " of fire"), raw=True)
        for prompt in PROMPTS
    ]
    long = LogLikelihoodRequest(
        prompt="", continuations=("the sea and the river " * 20,), rolling=True, raw=True
    )
    for want, found in zip(*(side.loglikelihood([*requests, long]) for side in sides), strict=True):
        assert found.loglikelihoods == pytest.approx(want.loglikelihoods, rel=1e-6, abs=NATS)
        assert found.is_greedy == want.is_greedy


def test_bfloat16_is_the_choice_on_a_gpu(folder: Path):
    model = HFLanguageModel(str(folder))
    assert model.fingerprint().dtype == "bfloat16"
    assert model.fingerprint().device.startswith("cuda:")
    assert _said(model, PROMPTS[:1])[0][0] is not None
    assert torch.cuda.is_available()
