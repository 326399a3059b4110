"""`gedit-bench`: users' edits of eleven kinds by VIEScore (Liu et al. 2025, arXiv 2504.17761)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.errors import DataError
from harness.records import (
    Aggregation,
    Capability,
    DataFile,
    DatasetInfo,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
)
from tasks.editing.task import PLACES, EditingTask, unreadable
from tasks.editing.wording import OWN_GEDIT, Wording, own_wording, read_wording

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.data import Found, Row, Table
    from tasks.judges.vqa import Question

__all__ = ["GEditBench"]

GROUPS = (
    *("background_change", "color_alter", "material_alter", "motion_change", "ps_human"),
    *("style_change", "subject-add", "subject-remove", "subject-replace", "text_change"),
    "tone_transfer",
)
LANGUAGES = ("en", "cn", "all")
_COLUMNS = ("key", "task_type", "instruction", "instruction_language")
_SUBSET = "Intersection_exist"
_PLACE = "<instruction>"
_AREA = 512 * 512
_FILE = DataFile(
    name="GEdit-Bench",
    file="GEdit-Bench.parquet",
    licence="MIT",
    split="train",
    origin="stepfun-ai/GEdit-Bench on the hub: gedit-bench.edits="
    "'hf://datasets/stepfun-ai/GEdit-Bench@REVISION?split=train'",
)


def _score(name: str, score: str, description: str, **fields: Any) -> MetricSpec:
    return MetricSpec(
        name=name, score=score, high=10.0, unit="of 10", description=description, **fields
    )


class GEditBench(EditingTask):
    """Edit pictures as users asked; a judge grades meaning with both pictures, quality with one."""

    metadata = TaskMetadata(
        name="gedit-bench",
        summary="GEdit-Bench's edits from users, graded by a judging model with VIEScore.",
        version=1,
        requires=frozenset({Capability.EDIT_IMAGE}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name=_FILE.name,
            revision="unknown",
            split=_FILE.split,
            licence=_FILE.licence,
            source="https://huggingface.co/datasets/stepfun-ai/GEdit-Bench",
        ),
        metrics=(
            _score(
                "overall",
                "overall",
                "Geometric mean of meaning and quality; unweighted mean of the kinds of edits.",
                aggregation=Aggregation.MEAN_OF_CATEGORIES,
            ),
            _score(
                "semantics",
                "semantics",
                "Lower of both grades of meaning.",
                aggregation=Aggregation.MEAN_OF_CATEGORIES,
            ),
            _score(
                "quality",
                "quality",
                "Lower of both grades of quality.",
                aggregation=Aggregation.MEAN_OF_CATEGORIES,
            ),
            _score("mean", "overall", "The overall score, mean of all edits."),
            *(_score(kind, "overall", f"Edits of kind {kind}.", category=kind) for kind in GROUPS),
        ),
        protocol_id="gedit-bench/v1",
        citation="Liu et al., Step1X-Edit: A Practical Framework for General Image Editing, "
        "arXiv 2504.17761, 2025. Grades: Ku et al., VIEScore, ACL 2024.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "edits": "",
        "sha256": "",
        "language": "en",
        "intersection": False,
        "images": 1,
        "judge": "",
        "judge_args": {},
        "judge_template": "{question}",
        "judge_prompts": "",
    }

    places = PLACES
    file_option = "edits"
    file_kind = "table of edits"
    file_origin = _FILE.origin

    def samples(self) -> Iterator[Sample]:
        """`images` samples of each edit of the language, named by its key."""
        language = self.one_of("language", LANGUAGES)
        self._table.require(*_COLUMNS)
        for row in self._table:
            if language in ("all", row["instruction_language"]) and self._is_wanted(row):
                for k in range(self.repeats()):
                    yield self._sample(row, k)

    @cached_property
    def wording(self) -> Wording:
        """The prompts SC and PQ of a file, or this project's."""
        own = own_wording(OWN_GEDIT)
        return read_wording(str(self.options["judge_prompts"]), own, ("SC", "PQ"), _PLACE)

    def source(self, sample: Sample) -> Image:
        """The picture of the table's row."""
        return self._table.images(int(str(sample.data["row"])))[0]

    def _check_wording(self) -> None:
        for kind in ("SC", "PQ"):
            self.wording.text(kind)

    def _questions(self, sample: Sample, response: Response) -> list[Question]:
        from tasks.judges.vqa import Question

        before, after = (_resized(image) for image in self._pair(sample, response))
        meaning = self.wording.text("SC").replace(_PLACE, str(sample.data["prompt"]))
        return [Question(after, meaning, (before,)), Question(after, self.wording.text("PQ"))]

    def _outcome(self, sample: Sample, answers: Sequence[str]) -> Outcome:
        from tasks.scoring.edit_grades import read_viescore, viescore

        del sample
        semantics, quality = (read_viescore(answer) for answer in answers)
        if semantics is None or quality is None:
            return unreadable(answers[0] if semantics is None else answers[1])
        meaning, looks, overall = viescore(semantics, quality)
        return Outcome(
            verdict=Verdict.OK,
            scores={"semantics": meaning, "quality": looks, "overall": overall},
            details={"semantics": [*semantics], "quality": [*quality], "answers": [*answers]},
        )

    def _is_wanted(self, row: Row) -> bool:
        if not self.options["intersection"]:
            return True
        self._table.require(_SUBSET)
        return row[_SUBSET].lower() == "true"

    def _sample(self, row: Row, k: int) -> Sample:
        if not row["key"] or not row["instruction"]:
            raise DataError(f"{row.where}: key or instruction is empty", "mend the table")
        return Sample(
            id=row["key"],
            k=k,
            category=row["task_type"],
            data={
                "prompt": row["instruction"],
                "language": row["instruction_language"],
                "row": row.number,
            },
        )

    @cached_property
    def _found(self) -> Found:
        from harness.data import find_data

        given = str(self.options["edits"])
        try:
            return find_data(_FILE, given)
        except DataError as error:
            if given:
                raise
            raise DataError(
                f"gedit-bench has no table of edits: {error.what}",
                f"give --task-option gedit-bench.edits=..., or {error.remedy}",
            ) from error

    @cached_property
    def _table(self) -> Table:
        from harness.data import open_table

        return open_table(self._found.location)

    def _check_data(self) -> None:
        wanted, found = str(self.options["sha256"]).lower(), self._found
        if wanted and found.sha256 != wanted:
            raise DataError(
                f"gedit-bench: {found.location} has sha256 {found.sha256}, but {wanted} is asked "
                "for",
                "give that data, unchanged, or ask for this one's sha256",
            )
        self._table.require(*_COLUMNS)

    def _is_official(self, path: Path) -> bool:
        del path
        return False  # the benchmark publishes no checksums

    def _dataset(self) -> DatasetInfo:
        """The table's hash."""
        try:
            found = self._found
        except DataError:  # `preflight` says it; until then the plan shows what is asked for
            return self._official()
        return msgspec.structs.replace(
            self._official(), name=found.name, revision=found.sha256[:12], sha256=found.sha256
        )


def _resized(image: Image) -> Image:
    """A picture with the area of 512x512 pixels, as judges see it in the original."""
    ratio = image.width / image.height
    width = math.sqrt(_AREA * ratio)
    return image.resize((max(1, int(width)), max(1, int(width / ratio))))
