"""Tasks from text to image whose prompts are in a user's file and whose judge is another model."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from harness.data.hashing import check_hash, hash_file
from harness.data.hub import locate
from harness.errors import DataError, SpecError
from harness.records import DatasetInfo, Identity, JsonValue, Outcome, Response, Sample
from harness.records import Protocol as TaskProtocol
from tasks.drawing import DrawingTask

__all__ = ["AskedTask"]


class _Judge(Protocol):
    def identity(self) -> Identity: ...

    def load(self) -> None: ...


J = TypeVar("J", bound=_Judge)
"""Kind of the judge."""


class AskedTask(DrawingTask, Generic[J]):
    """A judge is asked questions about each image; all images of a batch are asked about together.

    Besides those named below, a subclass has the options `sha256`, `images`, `judge`, `judge_args`
    and `judge_template`.
    """

    file_option: ClassVar[str]
    """Option with the place of the data file."""

    file_kind: ClassVar[str]
    """What the file is, for messages."""

    file_origin: ClassVar[str]
    """Where users find the file."""

    judge_kind: ClassVar[str]
    """What the judge has to be, for messages."""

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._known: J | None = None

    def preflight(self) -> None:
        """Check that data and judge are there, before hours are spent on drawing.

        Raises:
            BenchError: One is missing, or the file hasn't the demanded sha256.
        """
        self._check_data()
        self._judge()

    def prepare(self) -> None:
        """Load the judge.

        Raises:
            BenchError: It can't be loaded.
        """
        self._judge().load()

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge one image."""
        return self.score_batch([(sample, response)])[0]

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Ask the judge about all images together, then apply the rules to each."""
        asked = [self._questions(sample, response) for sample, response in pairs]
        answers = iter(self._ask([question for part in asked for question in part]))
        return [
            self._outcome(sample, [next(answers) for _ in part])
            for (sample, _), part in zip(pairs, asked, strict=True)
        ]

    def judge(self) -> Identity:
        """The judging model, with the hash of its weights and how it's asked."""
        if not self.options["judge"]:
            return Identity(id="none chosen", version="")
        return self._judge().identity()

    def protocol(self, seed: int, limit: int | None = None) -> TaskProtocol:
        """The protocol, with the hash of the data file."""
        return msgspec.structs.replace(super().protocol(seed, limit), dataset=self._dataset())

    @abc.abstractmethod
    def _build_judge(self, model: str, template: str, args: Any) -> J:
        """Identify the judge; it's loaded when it's asked."""

    @abc.abstractmethod
    def _ask(self, questions: Sequence[Any]) -> Sequence[Any]:
        """The judge's answers, in order."""

    @abc.abstractmethod
    def _questions(self, sample: Sample, response: Response) -> Sequence[Any]:
        """What to ask about one image."""

    @abc.abstractmethod
    def _outcome(self, sample: Sample, answers: Sequence[Any]) -> Outcome:
        """What the answers about one image are worth."""

    @abc.abstractmethod
    def _is_official(self, path: Path) -> bool:
        """Whether a file is the benchmark's own."""

    def _official(self) -> DatasetInfo:
        """Identity of the benchmark's own file."""
        return self.metadata.dataset

    def _check_data(self) -> None:
        """Check that the data file is there and has the demanded sha256."""
        what = f"{self.metadata.name}'s {self.file_kind}"
        check_hash(self._path(), str(self.options["sha256"]), what)

    def _dataset(self) -> DatasetInfo:
        """The file's hash; a file that isn't the official one doesn't pass for it."""
        if not self.options[self.file_option]:
            return self._official()
        path = self._path()
        found = hash_file(path)
        if self._is_official(path):
            return msgspec.structs.replace(self._official(), sha256=found)
        return DatasetInfo(
            name=f"{self.metadata.name}-file",
            revision=found[:12],
            split="test",
            licence="unknown",
            sha256=found,
        )

    def _path(self) -> Path:
        name, option = self.metadata.name, self.file_option
        if not self.options[option]:
            raise DataError(
                f"{name} needs its {self.file_kind}, which isn't part of this package",
                f"give --task-option {name}.{option}=FILE with {self.file_origin}",
            )
        return locate(str(self.options[option]), self.file_kind)

    def _judge(self) -> J:
        if self._known is None:
            name = self.metadata.name
            if not self.options["judge"]:
                raise SpecError(
                    f"{name} has no judge",
                    f"give --task-option {name}.judge=MODEL, {self.judge_kind}",
                )
            model, template = str(self.options["judge"]), str(self.options["judge_template"])
            self._known = self._build_judge(model, template, self.options["judge_args"])
        return self._known
