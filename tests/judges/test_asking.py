"""Judging models are asked in batches that they can take, and answer in order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pytest
from PIL import Image

from harness.errors import ProtocolMismatchError
from harness.records import AnswerRequest, ModelCard, Request, Response
from harness.records.capability import Capability
from harness.registry import models
from tasks.judges.asking import ask_all, build_judge
from tests.dpg.toys import Model


class Picky(Model):
    """Takes three at a time, all of one width; says how wide they are and what was asked."""

    card = ModelCard(
        name="picky",
        summary="A toy.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="CC0-1.0",
        source="tests",
    )

    def __init__(self) -> None:
        self.batches: list[int] = []

    def batch_key(self, request: Request) -> Hashable:
        assert isinstance(request, AnswerRequest)
        return request.images[0].width

    def preferred_batch_size(self, capability: Capability) -> int:
        del capability
        return 3

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        assert len({r.images[0].width for r in requests}) == 1
        self.batches.append(len(requests))
        return [Response(text=f"{r.images[0].width} {r.prompt}") for r in requests]


def _requests(widths: Sequence[int]) -> list[AnswerRequest]:
    return [
        AnswerRequest(prompt=str(n), images=(Image.new("RGB", (width, 1)),), seed=0)
        for n, width in enumerate(widths)
    ]


def test_batches_are_of_one_key_and_bounded_and_answers_in_order():
    judge = Picky()
    widths = [5, 5, 7, 5, 7, 5, 5, 9]
    responses = ask_all(judge, _requests(widths))
    assert [r.text for r in responses] == [f"{width} {n}" for n, width in enumerate(widths)]
    assert judge.batches == [3, 2, 2, 1]


def test_nothing_is_asked_of_nobody():
    assert ask_all(Picky(), []) == []


def test_a_judge_that_drops_answers_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Picky, "answer", lambda *_: [])
    with pytest.raises(ValueError, match="shorter"):
        ask_all(Picky(), _requests([1, 1]))


class Counted(Picky):
    """Counts how many of it are in memory at once."""

    alive, most = 0, 0

    def __init__(self) -> None:
        super().__init__()
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def close(self) -> None:
        Counted.alive -= 1


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Counted, "alive", 0)
    monkeypatch.setattr(Counted, "most", 0)
    monkeypatch.setitem(models()._added, "counted", Counted)
    return "counted"


def test_a_judge_is_in_memory_only_once_it_is_asked(counted: str):
    judge = build_judge(counted, {}, "{question}", Capability.ANSWER, "can't answer")
    assert judge.fingerprint == Picky().fingerprint()
    assert Counted.alive == 0, "what it is is known, and the memory is free"
    assert [r.text for r in judge.ask(_requests([5]))] == ["5 0"]
    assert judge.load() is judge.load()
    assert (Counted.alive, Counted.most) == (1, 1)


def test_a_judge_that_changed_meanwhile_is_refused(counted: str, monkeypatch: pytest.MonkeyPatch):
    judge = build_judge(counted, {}, "{question}", Capability.ANSWER, "can't answer")
    import msgspec

    other = msgspec.structs.replace(judge.fingerprint, weights_sha256="0" * 64)
    monkeypatch.setattr(Counted, "fingerprint", lambda self: other)
    with pytest.raises(ProtocolMismatchError, match="'counted' has changed"):
        judge.load()
