"""The adapter that serves answers which another toolkit stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from harness.adapter import ModelAdapter
from harness.errors import AdapterError
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    ModelCard,
    Request,
    Response,
    Sample,
)
from harness.torch_support import one_of
from model_adapters.recorded.answer_request import AnswerReplay
from model_adapters.recorded.prediction_files import PredictionFile, read_predictions

__all__ = ["RecordedPredictions"]

_CODE_VERSION = "2"
_FAILURES = ("apart", "as-answers")


class RecordedPredictions(ModelAdapter):
    """Serves the answers of a file, each to the sample that it was made for.

    A sample without an answer, or with a blank cell, is `missing`; one whose answer is to another
    question, or that says that the call failed, is `errored`. An empty text in JSON is an answer.
    How the model was asked isn't in such a file: the task's option `prompt` should say it.

    Args:
        path: VLMEvalKit's table of predictions, or lmms-eval's samples.
        failures: `apart` is as above; `as-answers` serves what stands in the place of a failed call
            as what the model said, as VLMEvalKit scores it, and a blank cell as an empty answer.

    Raises:
        AdapterError: The file isn't there, or can't be read.
        SpecError: `failures` is neither.
    """

    card = ModelCard(
        name="predictions",
        summary="Answers from VLMEvalKit's or lmms-eval's files, in a model's place.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="unknown",
        source="the file given as predictions:FILE",
    )

    def __init__(self, path: str, *, failures: str = "apart") -> None:
        self._path = Path(path)
        self._failures = one_of("failures", failures, _FAILURES)
        self._file: PredictionFile = read_predictions(
            self._path, failures_are_answers=failures == "as-answers"
        )

    def fingerprint(self) -> Fingerprint:
        """Hash of the file."""
        return self._fingerprint

    def address(self, request: Request, task: str, sample: Sample) -> Request:
        """Note the sample on the request; the answer is found by it."""
        del task
        if not isinstance(request, AnswerRequest):
            return request
        return AnswerReplay(**msgspec.structs.asdict(request), sample=sample)

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Read the answers.

        Raises:
            NoResponseError: There is none, it's to another question, or its call failed.
            AdapterError: A request doesn't say which sample it's for.
        """
        return [Response(text=self._file.read(_addressed(request))) for request in requests]

    def preferred_batch_size(self, capability: Capability) -> int:
        """One: a missing answer has no neighbours."""
        del capability
        return 1

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        from harness.data.hashing import hash_file

        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}:{type(self).__qualname__}",
            code_version=_CODE_VERSION,
            weights_sha256=hash_file(self._path, "file of predictions"),
            config={
                "format": self._file.kind,
                "predictions": len(self._file),
                "failures": self._failures,
            },
            defaults={},
            dtype="text",
            device="none",
        )


def _addressed(request: AnswerRequest) -> AnswerReplay:
    if isinstance(request, AnswerReplay):
        return request
    raise AdapterError(
        "model 'predictions' was asked without a sample", "it serves runs, and nothing else"
    )
