"""Multiple choice: a picture, a question, lettered options; a policy reads the answer's letter."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.errors import DataError
from harness.records import (
    Aggregation,
    Identity,
    JsonValue,
    LogLikelihoodRequest,
    MetricSpec,
    Outcome,
    Protocol,
    Request,
    Response,
    Sample,
    ScoredSample,
    TaskResult,
    Verdict,
)
from tasks.scoring.mmbench import ROTATION_STRIDE
from tasks.understanding.readers import Asked, Reading, make_reader
from tasks.understanding.table_task import TableTask

if TYPE_CHECKING:
    from harness.data import Row
    from tasks.understanding.readers import Reader

__all__ = ["ChoiceTask", "CircularTask", "options_of"]


class ChoiceTask(TableTask):
    """Options are in the columns `A`, `B`, ...; `answer` is the right one's letter."""

    kind_options: ClassVar[Mapping[str, JsonValue]] = {
        "extraction": "exact",
        "judge": "",
        "judge_args": {},
        "calibration": 0.05,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._reader: Reader = make_reader(self.metadata.name, self.options)
        self.metadata = msgspec.structs.replace(
            self.metadata, requires=frozenset({self._reader.needs})
        )

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """Accuracy."""
        return (MetricSpec(name="accuracy", score="correct", description="Right answers."),)

    def request(self, sample: Sample, seed: int) -> Request:
        """The prompt with its pictures; or its options' letters, where they're to be ranked."""
        question = self._question(sample, seed)
        if not self._reader.ranks:
            return question
        return LogLikelihoodRequest(
            prompt=question.prompt,
            continuations=tuple(options_of(sample)),
            images=question.images,
            seed=seed,
        )

    def preflight(self) -> None:
        """As `TableTask.preflight`, and a judging model must be there if one is asked for."""
        super().preflight()
        self._reader.check()

    def prepare(self) -> None:
        """Load the judging model, if there is one."""
        self._reader.prepare()

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge one answer."""
        return self.score_batch([(sample, response)])[0]

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Read the letters of all answers, then compare."""
        readings = self._reader.read([_asked(sample, response) for sample, response in pairs])
        return [
            _outcome(sample, reading) for (sample, _), reading in zip(pairs, readings, strict=True)
        ]

    def scorer(self) -> Identity:
        """The policy that reads letters."""
        return self._reader.identity()

    def judge(self) -> Identity | None:
        """The judging model, if there is one."""
        return self._reader.judge()

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """As `TableTask.aggregate`, with the judge's agreement with exact matching."""
        result = super().aggregate(scored, protocol)
        agreement = self._reader.agreement(scored)
        if not agreement:
            return result
        return msgspec.structs.replace(result, extra={**result.extra, "judge_agreement": agreement})

    def _sample(self, row: Row) -> Sample:
        options = {letter: row[letter] for letter in _letters(row)}
        return Sample(
            id=row["index"],
            cluster=self._cluster(row),
            category=self._category(row),
            target=row["answer"].strip(),
            data={**self._common(row), "options": {**options}},
        )


class CircularTask(ChoiceTask):
    """Every question is asked with its options rotated; it counts if all askings are right.

    Rotation k of question i is a row with index i + k * 1,000,000 (Liu et al. 2024).
    """

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """Circular accuracy, and the plain accuracies of all askings and of the first."""
        return (
            MetricSpec(
                name="circular",
                score="correct",
                aggregation=Aggregation.ALL_IN_CLUSTER,
                description="Questions that are answered rightly in every rotation.",
            ),
            MetricSpec(name="accuracy", score="correct", description="Right askings."),
            MetricSpec(
                name="vanilla", score="first", description="Right first askings, not rotated."
            ),
        )

    def samples(self) -> Iterator[Sample]:
        """Questions in the order of the file, their rotations as neighbours."""
        questions: dict[str, list[Sample]] = {}
        for sample in super().samples():
            questions.setdefault(sample.id, []).append(sample)
        for askings in questions.values():
            yield from sorted(askings, key=lambda sample: sample.k)

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """As `ChoiceTask.score_batch`; the first asking's score stands apart too."""
        outcomes = super().score_batch(pairs)
        return [
            _with_first(outcome) if sample.k == 0 else outcome
            for (sample, _), outcome in zip(pairs, outcomes, strict=True)
        ]

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """As `ChoiceTask.aggregate`, with a note on questions that lack rotations."""
        result = super().aggregate(scored, protocol)
        lacking = _lacking_rotations(scored)
        if not lacking:
            return result
        note = (
            f"{len(lacking)} questions lack rotations and are counted by those they have: "
            f"{', '.join(lacking[:5])}{', ...' if len(lacking) > 5 else ''}"
        )
        return msgspec.structs.replace(result, notes=(*result.notes, note))

    def _sample(self, row: Row) -> Sample:
        plain = super()._sample(row)
        number = plain.id.strip().removesuffix(".0")  # as spreadsheets and data frames write it
        if not number.isdecimal():
            raise DataError(
                f"{row.where}: index {plain.id!r} is no whole number",
                "give rotation k of question i the index i + k * 1,000,000",
            )
        k, base = divmod(int(number), ROTATION_STRIDE)
        return msgspec.structs.replace(plain, id=str(base), k=k, cluster=None)


def _letters(row: Row) -> Iterator[str]:
    """Letters of a row's options: those of the alphabet's columns that aren't empty."""
    return (letter for letter in string.ascii_uppercase if row.get(letter))


def options_of(sample: Sample) -> dict[str, str]:
    """Option letter to text."""
    options: Any = sample.data["options"]
    return dict(options)


def _asked(sample: Sample, response: Response) -> Asked:
    return Asked(
        key=sample.key,
        question=str(sample.data["question"]),
        options=options_of(sample),
        text=response.text or "",
        likelihoods=response.loglikelihoods or (),
    )


def _outcome(sample: Sample, reading: Reading) -> Outcome:
    options, right = options_of(sample), str(sample.target)
    if right not in options:
        return Outcome(
            verdict=Verdict.JUDGE_FAILED,
            reason=f"row {sample.data['row']} of the data: its answer {right!r} isn't one of its "
            f"options {', '.join(options) or '(none)'}; no response can be judged by it",
        )
    if reading.failure:
        return Outcome(verdict=Verdict.JUDGE_FAILED, reason=reading.failure)
    if reading.letter is None:
        reason = "no option can be read off the answer"
        return Outcome(verdict=Verdict.UNPARSED, reason=reason, scores={"correct": 0.0})
    hit = reading.letter == right
    return Outcome(
        verdict=Verdict.OK if hit else Verdict.WRONG,
        reason="" if hit else f"chose {_named(reading.letter, options)}, right is {right}",
        scores={"correct": float(hit)},
        details={"chosen": reading.letter, **reading.details},
    )


def _named(letter: str, options: Mapping[str, str]) -> str:
    return letter if letter in options else "none of the options"


def _with_first(outcome: Outcome) -> Outcome:
    if "correct" not in outcome.scores:
        return outcome
    scores = {**outcome.scores, "first": outcome.scores["correct"]}
    return msgspec.structs.replace(outcome, scores=scores)


def _lacking_rotations(scored: Sequence[ScoredSample]) -> list[str]:
    """Ids of questions that aren't asked once for every option."""
    asked: dict[str, set[int]] = {}
    wanted: dict[str, int] = {}
    for row in scored:
        asked.setdefault(row.sample.id, set()).add(row.sample.k)
        wanted[row.sample.id] = len(options_of(row.sample))
    return [name for name, ks in asked.items() if ks != set(range(wanted[name]))]
