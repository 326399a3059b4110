"""Models that know, or don't: they see the sample that a request belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.adapter import ModelAdapter
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    LogLikelihoodRequest,
    ModelCard,
    Request,
    Response,
    Sample,
)

__all__ = ["Answering", "gold_text"]


def gold_text(task: str, sample: Sample) -> str:
    """What a model says that is right, for any of the benchmarks."""
    target: Any = sample.target
    if isinstance(target, list):
        return str(target[0]) if target else "nothing is right"
    return str(target)


class Answering(ModelAdapter):
    """Answers with what a function makes of task and sample."""

    card = ModelCard(
        name="answering",
        summary="Knows the sample.",
        capabilities=frozenset({Capability.ANSWER, Capability.LOGLIKELIHOOD}),
        licence="Apache-2.0",
        source="test",
        control=True,
    )

    def __init__(self, say: Callable[[str, Sample], str] = gold_text) -> None:
        self._say = say
        self.asked: list[Request] = []
        self._pending: dict[int, str] = {}

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="answering",
            adapter="tests.understanding.answering:Answering",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="none",
            device="cpu",
        )

    def address(self, request: Request, task: str, sample: Sample) -> Request:
        self._pending[request.seed] = self._say(task, sample)
        return msgspec.structs.replace(request)

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        self.asked += requests
        return [Response(text=self._pending[request.seed]) for request in requests]

    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        self.asked += requests
        return [
            Response(
                loglikelihoods=tuple(
                    0.0 if text == self._pending[request.seed] else -5.0
                    for text in request.continuations
                )
            )
            for request in requests
        ]
