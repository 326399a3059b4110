"""Short answers: a picture, a question, accepted answers; a scorer says what an answer is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from harness.records import (
    Identity,
    JsonValue,
    MetricSpec,
    Outcome,
    Response,
    Sample,
    Verdict,
)
from tasks.understanding.table_task import TableTask

if TYPE_CHECKING:
    from harness.data import Row

__all__ = ["AnswerScorer", "AnswerTask"]

_ANSWER_COLUMNS = ("answer", "answers")
_SHOWN = 3


class AnswerScorer(NamedTuple):
    """A rule that scores answers."""

    id: str
    """Name of the rule."""
    version: str
    """Whose rule it is."""
    score: Callable[[str, Sequence[str], Sample], float]
    """Answer, accepted answers and sample to a score in [0, 1]."""


class AnswerTask(TableTask):
    """Accepted answers are in the column `answer` (or `answers`): one, or a list of them."""

    scorers: ClassVar[Mapping[str, AnswerScorer]]
    """Rules by name; the first is the default."""

    counts_empty_answers: ClassVar[bool] = False
    """Whether an empty text among others is an annotator's answer, or none."""

    metric: ClassVar[MetricSpec]
    """The primary metric, over the score `score`."""

    kind_options: ClassVar[Mapping[str, JsonValue]] = {"scorer": ""}

    def __init_subclass__(cls) -> None:
        """As `TableTask`; the first rule is the default by its name."""
        super().__init_subclass__()
        if "benchmark" in cls.__dict__:
            cls.defaults = {**cls.defaults, "scorer": next(iter(cls.scorers))}

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """The benchmark's metric."""
        return (cls.metric,)

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Score one answer: `ok` at the full score, `wrong` below; nothing said is `unparsed`."""
        answers, text = _answers(sample), response.text or ""
        if not answers:
            return Outcome(
                verdict=Verdict.JUDGE_FAILED,
                reason=f"row {sample.data['row']} of the data has no accepted answer",
            )
        value = self._scorer.score(text, answers, sample)
        verdict = Verdict.OK if value >= 1 else Verdict.WRONG if text.strip() else Verdict.UNPARSED
        return Outcome(
            verdict=verdict,
            reason="" if verdict is Verdict.OK else _reason(value, answers, text),
            scores={"score": value},
        )

    def scorer(self) -> Identity:
        """The rule."""
        return Identity(id=self._scorer.id, version=self._scorer.version)

    @property
    def _scorer(self) -> AnswerScorer:
        return self.scorers[self.one_of("scorer", self.scorers)]

    def _sample(self, row: Row) -> Sample:
        return Sample(
            id=row["index"],
            cluster=self._cluster(row),
            category=self._category(row),
            target=[*_accepted(row, empty=self.counts_empty_answers)],
            data=self._common(row),
        )


def _accepted(row: Row, *, empty: bool) -> list[str]:
    """The accepted answers of a row, as text; `empty` ones only beside others."""
    from tasks.scoring.vqa import parse_answer_cell

    name = next((name for name in _ANSWER_COLUMNS if name in row), _ANSWER_COLUMNS[0])
    value = row.value(name)
    items = value if isinstance(value, list) else parse_answer_cell(row[name])
    texts = ["" if item is None else str(item) for item in items]
    return texts if empty and any(texts) else [text for text in texts if text]


def _answers(sample: Sample) -> list[str]:
    target: Any = sample.target
    return list(target)


def _reason(value: float, answers: Sequence[str], text: str) -> str:
    if not text.strip():
        return "nothing was said"
    shown = ", ".join(dict.fromkeys(answers[:_SHOWN])) + (", ..." if len(answers) > _SHOWN else "")
    return f"scores {value:.3g}; accepted: {shown}"
