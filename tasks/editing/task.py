"""What benchmarks of editing share: a picture, an instruction, a judge that grades the result."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.records import EditImageRequest, Identity, Outcome, Response, Sample, Verdict
from tasks.asked import AskedTask
from tasks.drawing import picture_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.editing.wording import Wording
    from tasks.judges.vqa import Question, VQAJudge

__all__ = ["PLACES", "EditingTask"]

PLACES = frozenset({"edits", "pictures", "sha256", "judge", "judge_args", "judge_prompts"})
"""Options whose contents are in the protocol as hashes and identities."""

_LENGTH = 512
"""Tokens that a judge may answer with; it's asked for reasons too."""


class EditingTask(AskedTask["VQAJudge"]):
    """Edit each picture once or several times; the judge sees the picture before and after."""

    judge_kind = "a model that answers about pictures"

    @cached_property
    @abc.abstractmethod
    def wording(self) -> Wording:
        """What the judge is asked."""

    @abc.abstractmethod
    def source(self, sample: Sample) -> Image:
        """The picture to edit.

        Raises:
            DataError: It isn't there.
        """

    def request(self, sample: Sample, seed: int) -> EditImageRequest:
        """Picture and instruction; decoding is the model's."""
        return EditImageRequest(
            prompt=str(sample.data["prompt"]), image=self.source(sample), seed=seed
        )

    def prompt_template(self) -> str:
        """The instruction alone."""
        return "{instruction}"

    def scorer(self) -> Identity:
        """How grades are read, and what the judge was asked."""
        return Identity(
            id=self.metadata.name, version="1", settings={"wording": self.wording.identity}
        )

    def preflight(self) -> None:
        """Check that data, judge and its prompts are there.

        Raises:
            BenchError: One isn't.
        """
        super().preflight()
        self._check_wording()

    def _check_wording(self) -> None:
        kinds = dict.fromkeys(str(sample.category) for sample in self.samples())
        for kind in kinds:
            self.wording.text(kind)

    def _build_judge(self, model: str, template: str, args: Any) -> VQAJudge:
        from tasks.judges.vqa import VQAJudge

        return VQAJudge(model, template, args, max_new_tokens=_LENGTH)

    def _ask(self, questions: Sequence[Question]) -> Sequence[str]:
        return self._judge().ask(questions)

    def _pair(self, sample: Sample, response: Response) -> tuple[Image, Image]:
        return self.source(sample), picture_of(response)


def unreadable(answer: str) -> Outcome:
    """A judge's answer without grades is unknown, not a bad grade."""
    return Outcome(
        verdict=Verdict.JUDGE_FAILED,
        reason=f"no grades can be read off the judge's answer {answer!r:.200}",
        details={"answer": answer},
    )
