"""`imgedit`: ImgEdit-Bench's single-turn edits of nine types (Ye et al. 2025, arXiv 2505.20275)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.data.archives import hash_tree
from harness.data.hashing import hash_file
from harness.errors import DataError
from harness.records import (
    Aggregation,
    Capability,
    DatasetInfo,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
    digest,
)
from tasks.editing.task import PLACES, EditingTask, unreadable
from tasks.editing.wording import OWN_IMGEDIT, Wording, own_wording, read_wording

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.judges.vqa import Question

__all__ = ["ImgEdit"]

TYPES = (
    *("add", "adjust", "extract", "replace", "remove", "background", "style", "compose"),
    "action",
)
_PLACE = "<edit_prompt>"


def _grade(name: str, description: str, **fields: Any) -> MetricSpec:
    return MetricSpec(
        name=name, score="grade", low=1.0, high=5.0, unit="of 5", description=description, **fields
    )


class ImgEdit(EditingTask):
    """Edit photographs; a judge grades instruction, seamlessness and preservation from 1 to 5."""

    metadata = TaskMetadata(
        name="imgedit",
        summary="ImgEdit-Bench's single-turn edits, graded by a judging model.",
        version=1,
        requires=frozenset({Capability.EDIT_IMAGE}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name="imgedit",
            revision="PKU-YuanGroup/ImgEdit@c14480a",
            split="singleturn",
            licence="unknown",
            source="basic_edit.json and the pictures of its repository and data set",
        ),
        metrics=(
            _grade(
                "overall",
                "Unweighted mean of the types of edits.",
                aggregation=Aggregation.MEAN_OF_CATEGORIES,
            ),
            _grade("mean", "Mean of all edits."),
            *(_grade(kind, f"Edits of type {kind}.", category=kind) for kind in TYPES),
        ),
        protocol_id="imgedit/v1",
        citation="Ye et al., ImgEdit: A Unified Image Editing Dataset and Benchmark, "
        "arXiv 2505.20275, 2025.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "edits": "",
        "pictures": "",
        "sha256": "",
        "images": 1,
        "judge": "",
        "judge_args": {},
        "judge_template": "{question}",
        "judge_prompts": "",
    }

    places = PLACES
    file_option = "edits"
    file_kind = "file of edits"
    file_origin = "basic_edit.json of PKU-YuanGroup/ImgEdit, and imgedit.pictures=FOLDER"

    def samples(self) -> Iterator[Sample]:
        """`images` samples of each edit, named by its key."""
        for key, edit in self._edits().items():
            for k in range(self.repeats()):
                yield Sample(
                    id=key,
                    k=k,
                    category=edit.edit_type,
                    cluster=edit.id,
                    data={"prompt": edit.prompt, "picture": edit.id},
                )

    @cached_property
    def wording(self) -> Wording:
        """The prompts of the benchmark's file, by type of edit; or one for all."""
        own = own_wording({}, OWN_IMGEDIT)
        return read_wording(str(self.options["judge_prompts"]), own, (), _PLACE)

    def source(self, sample: Sample) -> Image:
        """The photograph, from the folder of pictures."""
        from harness.data.pictures import decode

        path = self._place(sample)
        try:
            return decode(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(
                f"edit {sample.id}: {path} can't be read: {error}",
                "give the folder that holds the benchmark's pictures; see docs/editing.md",
            ) from error

    def preflight(self) -> None:
        """Check that edits, pictures, judge and its prompts are there, before hours go by.

        Raises:
            BenchError: One isn't; the first picture that is missing, or lies elsewhere, is named.
        """
        super().preflight()
        for sample in self.samples():
            if not self._place(sample).is_file():
                self.source(sample)

    def _place(self, sample: Sample) -> Path:
        """Where a photograph must be: a file of edits names nothing outside of its folder."""
        root = self._pictures()
        path = (root / str(sample.data["picture"])).resolve()
        if not path.is_relative_to(root.resolve()):
            raise DataError(f"{sample.data['picture']} leads out of {root}", "mend the file")
        return path

    def _questions(self, sample: Sample, response: Response) -> list[Question]:
        from tasks.judges.vqa import Question

        before, after = self._pair(sample, response)
        text = self.wording.text(str(sample.category))
        text = text.replace(_PLACE, str(sample.data["prompt"]))
        return [Question(after, text, (before,))]

    def _outcome(self, sample: Sample, answers: Sequence[str]) -> Outcome:
        from tasks.scoring.edit_grades import imgedit_grade, read_imgedit

        del sample
        grades = read_imgedit(answers[0])
        if grades is None:
            return unreadable(answers[0])
        return Outcome(
            verdict=Verdict.OK,
            scores={"grade": imgedit_grade(grades)},
            details={"grades": [*grades], "answer": answers[0]},
        )

    def _is_official(self, path: Path) -> bool:
        del path
        return False  # the benchmark publishes no checksums

    def _dataset(self) -> DatasetInfo:
        """Hashes of the file and of all pictures together."""
        plain = super()._dataset()
        if not self.options["edits"] or not self.options["pictures"]:
            return plain
        both = digest([hash_file(self._path()), hash_tree(self._pictures())], 64)
        return msgspec.structs.replace(plain, sha256=both, revision=both[:12])

    def _pictures(self) -> Path:
        if not self.options["pictures"]:
            raise DataError(
                "imgedit needs the folder of its pictures, which aren't part of this package",
                "give --task-option imgedit.pictures=FOLDER",
            )
        folder = Path(str(self.options["pictures"])).expanduser()
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}", "give the folder of the pictures")
        return folder

    def _edits(self) -> dict[str, _Edit]:
        path = self._path()
        try:
            found = msgspec.json.decode(path.read_bytes(), type=dict[str, _Edit])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} can't be read as edits: {error}",
                "it maps each key to an object with id, prompt and edit_type",
            ) from error
        if not found:
            raise DataError(f"{path} holds no edits", "give the benchmark's own file")
        return found


class _Edit(msgspec.Struct, frozen=True):
    """One entry of basic_edit.json."""

    id: str
    """Path of the picture below the folder of pictures."""
    prompt: str
    """The instruction."""
    edit_type: str
    """Kind of edit."""
