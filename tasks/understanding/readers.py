"""Which option an answer names: by a policy, by log-likelihoods, or by a judging model.

Nothing is ever drawn: an answer off which no option can be read is unparsed.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import SpecError
from harness.names import suggest
from harness.records import (
    AnswerRequest,
    Capability,
    Identity,
    JsonValue,
    ScoredSample,
    TextDecoding,
)
from tasks.understanding.prompts import identify, render

if TYPE_CHECKING:
    from tasks.judges.asking import JudgeModel

__all__ = ["LIKELIHOOD", "POLICY_SOURCES", "Asked", "Reader", "Reading", "make_reader"]

LIKELIHOOD = "loglikelihood"
"""The extraction that asks for no text: the likeliest of the options' letters."""

JUDGE = "judge"
"""The extraction that asks a judging model where exact matching reads nothing."""

_VLMEVALKIT = "open-compass/VLMEvalKit@e8e78f0"
_LMMS_EVAL = "EvolvingLMMs-Lab/lmms-eval@75571cf"
POLICY_SOURCES: Mapping[str, str] = {
    "exact": _VLMEVALKIT,
    "exact-legacy": "open-compass/VLMEvalKit before #1175",
    "vanilla": _VLMEVALKIT,
    "cheers-wrapper": "AI9Stars/Cheers@da1cb77",
    "cheers-wrapper-mmstar": "AI9Stars/Cheers@da1cb77",
    "strict": "1",
    "lmms-eval": _LMMS_EVAL,
    "lmms-eval-ai2d": _LMMS_EVAL,
    "lmms-eval-scienceqa": _LMMS_EVAL,
    "lmms-eval-seedbench": _LMMS_EVAL,
    "mmmu": _LMMS_EVAL,
}
"""Whose rule each policy of `tasks.scoring.choice` is."""

_JUDGE_TEMPLATE = "judge/option.v1"
_JUDGE_DECODING = TextDecoding(max_new_tokens=16)
_LONGEST_ANSWER = 4000  # characters of an answer that a judging model is shown


class Asked(NamedTuple):
    """A question and what the model made of it."""

    key: str
    """Name of the sample."""
    question: str
    """The question."""
    options: Mapping[str, str]
    """Option letter to text."""
    text: str
    """The model's answer."""
    likelihoods: Sequence[float]
    """Log-likelihood of each option's letter, where they were asked for."""


class Reading(NamedTuple):
    """What was read off an answer."""

    letter: str | None
    """The option, `Z` for a refusal; `None` if nothing can be read."""
    failure: str = ""
    """Why nothing is known about the answer."""
    details: Mapping[str, JsonValue] = {}
    """How it was read."""


class Reader(abc.ABC):
    """A way to read answers."""

    needs: Capability = Capability.ANSWER
    """What it needs of the model."""

    ranks: bool = False
    """Whether options are ranked instead of an answer being read."""

    @abc.abstractmethod
    def read(self, asked: Sequence[Asked]) -> list[Reading]:
        """Read a batch."""

    @abc.abstractmethod
    def identity(self) -> Identity:
        """The scorer that this makes."""

    def judge(self) -> Identity | None:
        """The judging model, if there is one."""
        return None

    def check(self) -> None:
        """Check that what reading needs is there."""
        return  # a policy needs nothing

    def prepare(self) -> None:
        """Load what reading needs."""
        return  # a policy needs nothing

    def agreement(self, scored: Iterable[ScoredSample]) -> dict[str, JsonValue]:
        """How often the judging model agrees with exact matching; empty without one."""
        del scored
        return {}


def make_reader(task: str, options: Mapping[str, JsonValue]) -> Reader:
    """The reader that a task's options ask for.

    Raises:
        SpecError: There is no such extraction, or the options don't fit it.
    """
    name = str(options["extraction"])
    judge, calibration = str(options["judge"]), options["calibration"]
    if name != JUDGE and judge:
        raise SpecError(
            f"{task}: a judge is named, but extraction is {name!r}",
            f"give {task}.extraction=judge, or no judge",
        )
    if name == LIKELIHOOD:
        return _Ranking()
    if name == JUDGE:
        return _Judging(task, judge, options["judge_args"], calibration)
    if name not in POLICY_SOURCES:
        known = (*POLICY_SOURCES, LIKELIHOOD, JUDGE)
        hint = suggest(name, known) or f"it is one of {', '.join(known)}"
        raise SpecError(f"{task}: unknown extraction {name!r}", hint)
    return _Policy(name)


class _Policy(Reader):
    """Reads by a rule of `tasks.scoring.choice`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self, asked: Sequence[Asked]) -> list[Reading]:
        from tasks.scoring.choice import EXTRACTORS

        extract = EXTRACTORS[self._name]
        return [Reading(extract(one.text, one.options) if one.options else None) for one in asked]

    def identity(self) -> Identity:
        return Identity(id=f"choice/{self._name}", version=POLICY_SOURCES[self._name])


class _Ranking(Reader):
    """Takes the likeliest letter; equal ones name none."""

    needs = Capability.LOGLIKELIHOOD
    ranks = True

    def read(self, asked: Sequence[Asked]) -> list[Reading]:
        return [_likeliest(one) for one in asked]

    def identity(self) -> Identity:
        return Identity(id=f"choice/{LIKELIHOOD}", version="1")


def _likeliest(asked: Asked) -> Reading:
    letters, values = list(asked.options), list(asked.likelihoods)
    if len(values) != len(letters):
        return Reading(None, f"the model gave {len(values)} log-likelihoods of {len(letters)}")
    details: dict[str, JsonValue] = {"loglikelihoods": dict(zip(letters, values, strict=True))}
    best = max(values, default=0.0)
    named = [letter for letter, value in zip(letters, values, strict=True) if value == best]
    return Reading(named[0] if len(named) == 1 else None, details=details)


class _Judging(Reader):
    """Exact matching; what it can't read, a judging model reads.

    A share of the answers that exact matching does read is shown to the model as well: how often it
    says the same is part of the result.
    """

    def __init__(self, task: str, model: str, args: Any, calibration: Any) -> None:
        if not model:
            raise SpecError(
                f"{task}: extraction=judge needs a judge",
                f"give {task}.judge=MODEL, any model that answers; see `cheers-bench list models`",
            )
        if not isinstance(calibration, (int, float)) or not 0 <= calibration <= 1:
            raise SpecError(f"{task}: calibration is {calibration!r}", "give a share, 0 to 1")
        self._model, self._args, self._share = model, args, float(calibration)

    @cached_property
    def _reader(self) -> JudgeModel:
        from tasks.judges.asking import build_judge

        lack = "doesn't answer questions"
        return build_judge(self._model, self._args, "{question}", Capability.ANSWER, lack)

    def check(self) -> None:
        _ = self._reader

    def prepare(self) -> None:
        self._reader.load()

    def read(self, asked: Sequence[Asked]) -> list[Reading]:
        from tasks.scoring.choice import EXTRACTORS

        exact = [EXTRACTORS["exact"](one.text, one.options) for one in asked]
        unsure = [i for i, letter in enumerate(exact) if letter is None and asked[i].text.strip()]
        checked = [
            i for i, letter in enumerate(exact) if letter and _chosen(asked[i].key, self._share)
        ]
        said = dict(
            zip(
                (*unsure, *checked), self._ask([asked[i] for i in (*unsure, *checked)]), strict=True
            )
        )
        return [_judged(exact[i], said.get(i), asked[i].options) for i in range(len(asked))]

    def _ask(self, asked: Sequence[Asked]) -> list[str]:
        requests = [
            AnswerRequest(prompt=_question_to_judge(one), decoding=_JUDGE_DECODING) for one in asked
        ]
        return [response.text or "" for response in self._reader.ask(requests)]

    def identity(self) -> Identity:
        return Identity(
            id="choice/exact+judge", version=_VLMEVALKIT, settings={"calibration": self._share}
        )

    def judge(self) -> Identity | None:
        from tasks.judges.asking import judge_identity

        settings: dict[str, JsonValue] = {
            "template": identify(_JUDGE_TEMPLATE),
            "temperature": _JUDGE_DECODING.temperature,
            "max_new_tokens": _JUDGE_DECODING.max_new_tokens,
        }
        return judge_identity(self._reader, settings)

    def agreement(self, scored: Iterable[ScoredSample]) -> dict[str, JsonValue]:
        pairs: list[Any] = [
            row.outcome.details["calibration"]
            for row in scored
            if "calibration" in row.outcome.details
        ]
        same = sum(pair["exact"] == pair["judge"] for pair in pairs)
        return {"compared": len(pairs), "agree": same, "share": same / len(pairs)} if pairs else {}


def _question_to_judge(asked: Asked) -> str:
    values = {
        "question": asked.question,
        "options": list(asked.options.items()),
        "answer": asked.text[-_LONGEST_ANSWER:],
    }
    return render(_JUDGE_TEMPLATE, values)


def _judged(exact: str | None, said: str | None, options: Mapping[str, str]) -> Reading:
    """The reading of an answer, from exact matching and what the judge said, if it was asked."""
    from tasks.scoring.choice import EXTRACTORS
    from tasks.scoring.mmbench import REFUSED

    if said is None:
        return Reading(exact)
    letter = EXTRACTORS["strict"](said, {**options, REFUSED: ""})
    if exact is not None:
        return Reading(exact, details={"calibration": {"exact": exact, "judge": letter}})
    if letter is None:
        return Reading(None, f"the judge named no option: {said[:200]!r}")
    return Reading(letter, details={"read_by": "judge"})


def _chosen(key: str, share: float) -> bool:
    """Whether a sample is in the calibration set: a function of its name alone."""
    number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return number < share * 2**64
