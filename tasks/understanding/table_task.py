"""What tasks share whose questions are the rows of a table: data, prompts, categories."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.errors import DataError
from harness.records import (
    AnswerRequest,
    Capability,
    DataFile,
    DatasetInfo,
    JsonValue,
    MetricSpec,
    MetricValue,
    Modality,
    Protocol,
    Request,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    TextDecoding,
)
from harness.task import Task
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.prompts import identify, render

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.data import Found, Row, Table

__all__ = ["TableTask", "brief"]


class TableTask(Task):
    """A task made from a description; subclasses are kinds of questions.

    A kind says what a row's sample is and what a response is worth. A benchmark is a subclass of a
    kind that sets `benchmark`.
    """

    benchmark: ClassVar[Benchmark]
    """The description; set by each benchmark."""

    kind_options: ClassVar[Mapping[str, JsonValue]] = {}
    """Options of this kind of task."""

    picture_names: ClassVar[tuple[str, ...]] = ("image_path", "image_id")
    """Columns that tell which rows share a picture."""

    # The length is part of the protocol as decoding, the others as data set and judge.
    places = frozenset({"dataset", "file", "sha256", "judge", "judge_args", "max_new_tokens"})

    def __init_subclass__(cls) -> None:
        """Give a benchmark its metadata and options."""
        super().__init_subclass__()
        if "benchmark" in cls.__dict__:
            cls.metadata = _metadata(cls.benchmark, cls.metrics())
            cls.defaults = {
                "dataset": cls.benchmark.files[0].name,
                "file": "",
                "sha256": "",
                "prompt": next(iter(cls.benchmark.styles)),
                "max_new_tokens": None,
                **cls.kind_options,
            }

    @classmethod
    @abc.abstractmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """Metrics of the kind, the primary one first."""

    @abc.abstractmethod
    def _sample(self, row: Row) -> Sample:
        """The sample of a row."""

    def samples(self) -> Iterator[Sample]:
        """The samples of every row as neighbours, in the order of the file.

        Raises:
            DataError: The file lacks a column, or two rows have one name.
        """
        yield from self._unique(sample for row in self._rows() for sample in self._repeats(row))

    def request(self, sample: Sample, seed: int) -> Request:
        """The row's pictures, and the prompt that the template makes."""
        return self._question(sample, seed)

    def _question(self, sample: Sample, seed: int) -> AnswerRequest:
        images = self._table.images(_row_number(sample))
        prompt, images = self._placed(self.prompt(sample), images)
        return AnswerRequest(prompt=prompt, images=images, decoding=self._decoding, seed=seed)

    def prompt(self, sample: Sample) -> str:
        """The prompt of a sample."""
        return render(self._style.template, self._values(sample))

    def preflight(self) -> None:
        """Check that the data file is there and has the demanded sha256 and columns.

        Raises:
            DataError: It isn't, or hasn't.
        """
        wanted, found = str(self.options["sha256"]).lower(), self._found
        if wanted and found.sha256 != wanted:
            raise DataError(
                f"{self.metadata.name}: {found.location} has sha256 {found.sha256}, but {wanted} "
                "is asked for",
                "give that data, unchanged, or ask for this one's sha256",
            )
        self._table.require(*self.benchmark.columns)

    def prompt_template(self) -> str:
        """Name and hash of the template."""
        return identify(self._style.template)

    def decoding(self) -> Mapping[str, JsonValue]:
        """Greedy, up to a length."""
        return {"temperature": 0.0, "max_new_tokens": self._decoding.max_new_tokens}

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, named after data and way of asking, with the data file's hash."""
        plain = super().protocol(seed, limit)
        dataset = self._dataset()
        name = f"{dataset.name}/{self.options['prompt']}"
        return msgspec.structs.replace(plain, id=name, dataset=dataset)

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics; those of every category, with intervals, are in `extra`."""
        from harness.aggregate import metrics_by_group

        result = super().aggregate(scored, protocol)
        levels: dict[str, JsonValue] = {
            level: {
                name: brief(value)
                for name, value in metrics_by_group(
                    self.metadata.primary, scored, partial(_level, level=level)
                ).items()
            }
            for level in self.benchmark.levels
        }
        shown = {level: values for level, values in levels.items() if values}
        return msgspec.structs.replace(result, extra={"categories": shown} if shown else {})

    @property
    def file(self) -> DataFile:
        """The data file that is asked for."""
        name = self.one_of("dataset", [file.name for file in self.benchmark.files])
        return next(file for file in self.benchmark.files if file.name == name)

    @cached_property
    def _style(self) -> Style:
        return self.benchmark.styles[self.one_of("prompt", self.benchmark.styles)]

    @cached_property
    def _decoding(self) -> TextDecoding:
        given = self.options["max_new_tokens"]
        length = self._style.max_new_tokens if given is None else self.whole("max_new_tokens", 1)
        return TextDecoding(max_new_tokens=length)

    @cached_property
    def _found(self) -> Found:
        from harness.data import find_data

        return find_data(self.file, str(self.options["file"]))

    @cached_property
    def _table(self) -> Table:
        from harness.data import open_table

        return open_table(self._found.location)

    def _repeats(self, row: Row) -> Iterator[Sample]:
        """The samples of a row: one, unless a benchmark asks about it more often."""
        yield self._sample(row)

    def _rows(self) -> Iterator[Row]:
        self._table.require(*self.benchmark.columns)
        for row in self._table:
            if self._takes(row):
                yield row

    def _takes(self, row: Row) -> bool:
        """Whether a row belongs to the benchmark."""
        return not self.benchmark.skips_rows_without_picture or self._has_picture(row)

    def _has_picture(self, row: Row) -> bool:
        """By the column `image`, as VLMEvalKit tells; without one, by any that names pictures."""
        from harness.data.imagecells import is_picture_column

        if "image" in row:
            return bool(row.get("image"))
        return any(row.get(name) for name in filter(is_picture_column, self._table.columns))

    def _values(self, sample: Sample) -> Mapping[str, object]:
        """What stands for the names in a template."""
        data: Any = sample.data
        return {
            "question": data["question"],
            "hint": data.get("hint", ""),
            "options": list(data.get("options", {}).items()),
            "ocr_tokens": data.get("ocr_tokens", []),
        }

    def _placed(self, prompt: str, images: tuple[Image, ...]) -> tuple[str, tuple[Image, ...]]:
        """Prompt and pictures in the order in which the model gets them."""
        return prompt, images

    def _common(self, row: Row) -> dict[str, JsonValue]:
        """What every sample says of its row."""
        levels = {level: row[level] for level in self.benchmark.levels if row.get(level)}
        data: dict[str, JsonValue] = {
            "row": row.number,
            "index": row["index"],
            "question": row["question"],
        }
        if row.get("hint"):
            data["hint"] = row["hint"]
        if levels:
            data["levels"] = {**levels}
        return data

    def _cluster(self, row: Row) -> str | None:
        """What a row shares with others: its picture, where the table names it or another row."""
        from harness.data.imagecells import SHOWN

        named = next((row.get(name) for name in self.picture_names if row.get(name)), None)
        image = row.get("image")
        return named or (image if image != SHOWN else "") or None

    def _category(self, row: Row) -> str | None:
        return row.get(self.benchmark.levels[0]) or None if self.benchmark.levels else None

    def _unique(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """The samples, as long as no two have one name."""
        rows: dict[str, int] = {}
        for sample in samples:
            number = _row_number(sample)
            if sample.key in rows:
                raise DataError(
                    f"{self._table.name}: rows {rows[sample.key]} and {number} (from 0) are both "
                    f"index {sample.id!r}",
                    "give every row an index of its own; `cheers-bench data show` lists them all",
                )
            rows[sample.key] = number
            yield sample

    def _dataset(self) -> DatasetInfo:
        """The file's hash; a file that isn't the official one doesn't pass for it."""
        file = self.file
        try:
            found = self._found
        except DataError:  # `preflight` says it; until then the plan shows what is asked for
            return _dataset_info(file)
        if found.official:
            return msgspec.structs.replace(_dataset_info(file), sha256=found.sha256)
        return DatasetInfo(
            name=found.name,
            revision=found.sha256[:12],
            split="as given",
            licence="unknown",
            sha256=found.sha256,
        )


def _metadata(benchmark: Benchmark, metrics: tuple[MetricSpec, ...]) -> TaskMetadata:
    return TaskMetadata(
        name=benchmark.name,
        summary=benchmark.summary,
        version=benchmark.version,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT,),
        dataset=_dataset_info(benchmark.files[0]),
        metrics=metrics,
        protocol_id=f"{benchmark.files[0].name}/{next(iter(benchmark.styles))}",
        citation=benchmark.citation,
        files=benchmark.files,
    )


def _dataset_info(file: DataFile) -> DatasetInfo:
    return DatasetInfo(
        name=file.name,
        revision=f"md5:{file.md5}" if file.md5 else "unknown",
        split=file.split,
        licence=file.licence,
        sha256=file.sha256,
        source=file.urls[0] if file.urls else file.origin,
    )


def _row_number(sample: Sample) -> int:
    return int(str(sample.data["row"]))


def _level(row: ScoredSample, level: str) -> str:
    levels: Any = row.sample.data.get("levels", {})
    return str(levels.get(level, ""))


def brief(value: MetricValue) -> dict[str, JsonValue]:
    """A metric with its interval, as `extra` holds it."""
    return {"value": value.value, "low": value.low, "high": value.high, "n": value.n}
