"""MathVista, its 1,000 test problems (Lu et al. 2024): mathematics in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import DataError
from harness.records import (
    Identity,
    JsonValue,
    MetricSpec,
    Outcome,
    Response,
    Sample,
    Verdict,
)
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published
from tasks.understanding.table_task import TableTask

if TYPE_CHECKING:
    from harness.data import Row
    from tasks.scoring.mathvista import MathVistaProblem

__all__ = ["MathVista"]

_VARIANTS = {"corrected": "1", "official": "lupantech/MathVista"}


class MathVista(TableTask):
    """Answers are read by rule, normalised to the form that is asked for, and compared.

    The original has a language model extract answers; here what no rule can read is unparsed.
    `scorer=official` takes the option that is nearest by edit distance, as the original does.
    """

    benchmark = Benchmark(
        name="mathvista",
        summary="MathVista testmini: 1,000 problems, answers read by rule.",
        files=(published("MathVista_MINI", "testmini", "CC-BY-SA-4.0"),),
        citation="Lu et al., MathVista: Evaluating Mathematical Reasoning of Foundation Models in "
        "Visual Contexts, ICLR 2024 (arXiv 2310.02255).",
        styles={
            "cheers": Style("cheers/mathvista.v1"),
            "vlmevalkit": Style("vlmevalkit/question.v1"),
        },
        levels=("task", "category"),
        columns=("index", "question", "answer", "question_type", "answer_type"),
    )
    kind_options: ClassVar[Mapping[str, JsonValue]] = {"scorer": "corrected"}

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """Accuracy."""
        return (MetricSpec(name="accuracy", score="correct", description="Right answers."),)

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Extract, normalise, compare."""
        from tasks.scoring.mathvista import judge_mathvista

        variant: Any = self.one_of("scorer", _VARIANTS)
        verdict = Verdict(judge_mathvista(response.text or "", _problem(sample), variant))
        reasons = {
            Verdict.OK: "",
            Verdict.WRONG: f"the answer is {sample.target}",
            Verdict.UNPARSED: "no answer of the form that is asked for can be read",
        }
        return Outcome(
            verdict=verdict,
            reason=reasons[verdict],
            scores={"correct": float(verdict is Verdict.OK)},
        )

    def scorer(self) -> Identity:
        """The rules and their variant."""
        name = self.one_of("scorer", _VARIANTS)
        return Identity(id=f"mathvista/{name}", version=_VARIANTS[name])

    def _sample(self, row: Row) -> Sample:
        from tasks.scoring.vqa import parse_answer_cell

        choices = row.value("choices") if "choices" in row else None
        if not isinstance(choices, list):
            choices = parse_answer_cell(row["choices"]) if row.get("choices") else []
        problem: dict[str, JsonValue] = {
            "question_type": row["question_type"],
            "answer_type": row["answer_type"],
            "choices": [str(choice) for choice in choices],
            "precision": _precision(row),
        }
        return Sample(
            id=row["index"],
            cluster=self._cluster(row),
            category=self._category(row),
            target=row["answer"],
            data={**self._common(row), "problem": problem},
        )


def _precision(row: Row) -> int | None:
    """Decimal places of a float answer; where the table doesn't say, those that the answer has."""
    text = row.get("precision")
    if not text:
        return _decimals(row["answer"]) if row["answer_type"] == "float" else None
    try:
        return int(float(text))
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{row.where}: precision {text!r} is no number", "give the number of decimal places"
        ) from error


def _decimals(answer: str) -> int:
    return len(answer.strip().partition(".")[2])


def _problem(sample: Sample) -> MathVistaProblem:
    from tasks.scoring.mathvista import MathVistaProblem

    given: Any = sample.data["problem"]
    return MathVistaProblem(
        question_type=given["question_type"],
        answer_type=given["answer_type"],
        answer=str(sample.target),
        choices=tuple(given["choices"]),
        precision=given["precision"],
    )
