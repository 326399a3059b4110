"""Any model that gives probabilities of answers about images, as a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.records import Capability, Identity, JsonValue, LogLikelihoodRequest
from tasks.judges.asking import build_judge, judge_identity
from tasks.scoring.soft_tifa import spellings

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
        args: Arguments of the model.

    Raises:
        SpecError: The template has no `{question}`, or the model gives no log-likelihoods.
        BenchError: The model can't be built.
    """

    def __init__(
        self, model: str, template: str, args: Mapping[str, JsonValue] | None = None
    ) -> None:
        self._model, self._template = model, template
        self._judge = build_judge(
            model,
            args or {},
            template,
            Capability.LOGLIKELIHOOD,
            "gives no probabilities of answers",
        )

    def load(self) -> None:
        """Have the model in memory.

        Raises:
            BenchError: It can't be built, or has changed since.
        """
        self._judge.load()

    def identity(self) -> Identity:
        """The model's name, code version and weights, and how it's asked."""
        ways = "as given, lower case, capital letter, numeral; each also after a space"
        return judge_identity(self._judge, {"template": self._template, "spellings": ways})

    def loglikelihoods(self, expected: Sequence[ExpectedAnswer]) -> list[Mapping[str, float]]:
        """For each expected answer, its spellings and their log-likelihoods in nats, in order.

        Raises:
            ValueError: The model didn't give one number for each spelling.
        """
        asked = [spellings(one.answer) for one in expected]
        requests = [
            LogLikelihoodRequest(
                prompt=self._template.replace("{question}", one.question),
                continuations=ways,
                images=(one.image,),
            )
            for one, ways in zip(expected, asked, strict=True)
        ]
        responses = self._judge.ask(requests)
        return [
            self._by_spelling(ways, response.loglikelihoods)
            for ways, response in zip(asked, responses, strict=True)
        ]

    def _by_spelling(
        self, ways: Sequence[str], values: Sequence[float] | None
    ) -> Mapping[str, float]:
        if values is None or len(values) != len(ways):
            raise ValueError(f"the judge {self._model!r} gave {values} for the answers {ways}")
        return dict(zip(ways, values, strict=True))
