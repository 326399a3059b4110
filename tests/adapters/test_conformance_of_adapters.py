"""Our adapters keep the rules that `cheers-bench check-adapter` checks; so does null, in
tests/conformance."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from harness.adapter import ModelAdapter
from harness.conformance import Status, check_adapter
from harness.models import build_model, model_ref
from model_adapters.cheers.adapter import CheersAdapter
from model_adapters.openai.adapter import OpenAIEndpoint
from tests.adapters.chat_server import chat_server, text_of
from tests.adapters.tiny_vlms import FAMILIES, save_tiny_vlm
from tests.language.tiny import save as save_tiny_lm

BLIND = ("picture-modes", "picture-shapes")
"""Checks that don't apply to a model which takes no pictures."""


def demand_all(
    adapter: ModelAdapter, steps: int | None = None, without: Collection[str] = ()
) -> None:
    found = list(check_adapter(adapter, steps=steps))
    assert {f.check: f.detail for f in found if f.status is Status.FAILED} == {}
    assert {f.check for f in found if f.status is not Status.PASSED} == set(without)


def test_cheers_keeps_the_rules(adapter: CheersAdapter):
    demand_all(adapter, steps=2)


@pytest.mark.slow
def test_cheers_nano_keeps_the_rules():
    demand_all(build_model(model_ref("cheers-nano", {"device": "cpu"})), steps=2)


@pytest.mark.parametrize(
    "family",
    [f if f == "qwen2_5_vl" else pytest.param(f, marks=pytest.mark.slow) for f in FAMILIES],
)
def test_vision_language_models_keep_the_rules(tmp_path: Path, family: str):
    folder = save_tiny_vlm(tmp_path / "vlm", family)
    demand_all(build_model(model_ref(f"hf-vlm:{folder}", {"device": "cpu"})))


def test_a_language_model_keeps_the_rules(tmp_path: Path):
    folder = save_tiny_lm(tmp_path / "lm")
    demand_all(build_model(model_ref(f"hf-lm:{folder}", {"device": "cpu"})), without=BLIND)


def test_an_endpoint_keeps_the_rules():
    with chat_server() as server:
        server.answer = lambda body: f"It is {len(text_of(body))} long"
        server.usage = {"completion_tokens": 3}
        adapter = OpenAIEndpoint(server.url, model="toy", images=True)
        demand_all(adapter)
        adapter.close()
