"""Any model that gives probabilities of answers about images, as a judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.adapter import ModelAdapter, perform
from harness.errors import SpecError
from harness.models import build_model, model_ref
from harness.records import Capability, Identity, LogLikelihoodRequest
from tasks.scoring.soft_tifa import answer_probability, spellings

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ExpectedAnswer", "LikelihoodJudge"]


class ExpectedAnswer(NamedTuple):
    """A question about an image, and what a right image answers."""

    image: Image
    """The image."""
    question: str
    """The question."""
    answer: str
    """The expected answer."""


class LikelihoodJudge:
    """A registered model whose probability of an answer is taken.

    Args:
        model: The model as users write it: `NAME`, `NAME:LOCATION` or `FILE.py:CLASS`.
        template: What the judge is asked; `{question}` stands for the question.

    Raises:
        SpecError: The template has no `{question}`, or the model gives no log-likelihoods.
        BenchError: The model can't be built.
    """

    def __init__(self, model: str, template: str) -> None:
        if "{question}" not in template:
            raise SpecError(f"judge template {template!r} has no {{question}}", "put it in")
        self._model, self._template = model, template
        self._adapter: ModelAdapter = build_model(model_ref(model))
        if Capability.LOGLIKELIHOOD not in self._adapter.card.capabilities:
            raise SpecError(
                f"{model!r} gives no probabilities of answers",
                "name a judge with the capability loglikelihood; see `cheers-bench list models`",
            )

    def identity(self) -> Identity:
        """The model's name, code version and weights, and how it's asked."""
        fingerprint = self._adapter.fingerprint()
        return Identity(
            id=fingerprint.model,
            version=fingerprint.code_version,
            weights_sha256=fingerprint.weights_sha256,
            settings={
                "template": self._template,
                "spellings": "as given, lower case, capital letter",
                "dtype": fingerprint.dtype,
                "config": dict(fingerprint.config),
            },
        )

    def probabilities(self, expected: Sequence[ExpectedAnswer]) -> list[float]:
        """Probability of each expected answer, in [0, 1], in order.

        Raises:
            ValueError: The model's numbers aren't probabilities.
        """
        asked = [spellings(one.answer) for one in expected]
        requests = [
            LogLikelihoodRequest(
                prompt=self._template.format(question=one.question),
                continuations=ways,
                images=(one.image,),
            )
            for one, ways in zip(expected, asked, strict=True)
        ]
        size = self._adapter.preferred_batch_size(Capability.LOGLIKELIHOOD)
        found: list[float] = []
        for start in range(0, len(requests), size):
            for response in perform(self._adapter, requests[start : start + size]):
                found.append(self._probability(asked[len(found)], response.loglikelihoods))
        return found

    def _probability(self, ways: Sequence[str], values: Sequence[float] | None) -> float:
        if values is None or len(values) != len(ways) or any(math.isnan(v) for v in values):
            raise ValueError(f"the judge {self._model!r} gave {values} for the answers {ways}")
        return answer_probability(dict(zip(ways, values, strict=True)))
