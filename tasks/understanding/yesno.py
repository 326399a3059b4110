"""Yes or no: a picture, a question, and the right word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

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

__all__ = ["YES_NO_READERS", "YesNoReader", "YesNoTask"]

_WORDS = ("yes", "no")


class YesNoReader(NamedTuple):
    """A rule that reads yes or no off an answer."""

    version: str
    """Whose rule it is."""
    read: Callable[[str], str | None]
    """Answer to `yes`, `no`, or `None` where neither can be read."""
    misses_unread: bool = True
    """Whether an object that is there and an answer that can't be read make a miss."""


def _words(text: str) -> str | None:
    from tasks.scoring.yesno import yes_no

    return yes_no(text)


def _wrapped(text: str) -> str | None:
    from tasks.scoring.cheers_wrapper import wrapper_yes_no
    from tasks.scoring.yesno import yes_no

    return yes_no(wrapper_yes_no(text))


def _strict(text: str) -> str | None:
    from tasks.scoring.yesno import strict_yes_no

    return strict_yes_no(text)


def _prefix(text: str) -> str | None:
    from tasks.scoring.yesno import mme_label

    return mme_label(text)


YES_NO_READERS: Mapping[str, YesNoReader] = {
    "exact": YesNoReader("open-compass/VLMEvalKit@e8e78f0", _words),
    "cheers-wrapper": YesNoReader("AI9Stars/Cheers@da1cb77", _wrapped),
    "lmms-eval": YesNoReader("EvolvingLMMs-Lab/lmms-eval@75571cf", _strict, misses_unread=False),
    "lmms-eval-mme": YesNoReader("EvolvingLMMs-Lab/lmms-eval@75571cf", _prefix),
}
"""Rules by name; see `tasks.scoring.yesno` and `tasks.scoring.cheers_wrapper`."""


class YesNoTask(TableTask):
    """`answer` is yes or no.

    Scores: `correct`; `predicted` and `positive` are 1 where yes was said and where yes is right.
    What can't be read counts as not yes, and as wrong, as in the originals; lmms-eval's rule leaves
    it out of recall.
    """

    kind_options: ClassVar[Mapping[str, JsonValue]] = {"extraction": "exact"}
    picture_names = ("image_path", "image_source", "image_id")

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """Accuracy."""
        return (MetricSpec(name="accuracy", score="correct", description="Right answers."),)

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Read the answer's word and compare."""
        right = str(sample.target)
        if right not in _WORDS:
            return Outcome(
                verdict=Verdict.JUDGE_FAILED,
                reason=f"row {sample.data['row']} of the data: its answer {right!r} is neither yes "
                "nor no",
            )
        said, misses = self._reader.read(response.text or ""), self._reader.misses_unread
        scores = {
            "correct": float(said == right),
            "predicted": float(said == "yes"),
            "positive": float(right == "yes" and (misses or said is not None)),
        }
        if said is None:
            reason = "neither yes nor no can be read off the answer, or both"
            return Outcome(verdict=Verdict.UNPARSED, reason=reason, scores=scores)
        return Outcome(
            verdict=Verdict.OK if said == right else Verdict.WRONG,
            reason="" if said == right else f"said {said}, right is {right}",
            scores=scores,
            details={"said": said},
        )

    def scorer(self) -> Identity:
        """The rule that reads answers."""
        name = str(self.options["extraction"])
        return Identity(id=f"yes-no/{name}", version=self._reader.version)

    @property
    def _reader(self) -> YesNoReader:
        return YES_NO_READERS[self.one_of("extraction", YES_NO_READERS)]

    def _sample(self, row: Row) -> Sample:
        return Sample(
            id=row["index"],
            cluster=self._cluster(row),
            category=self._category(row),
            target=row["answer"].strip().lower(),
            data=self._common(row),
        )
