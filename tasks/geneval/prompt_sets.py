"""Where GenEval's prompts come from: drawn anew, or read from a file whose hash is recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from harness.data.hashing import hash_file
from harness.data.hub import locate
from harness.errors import DataError
from harness.records import DatasetInfo
from tasks.geneval.prompts import (
    OFFICIAL_COUNT,
    OFFICIAL_SEED,
    OFFICIAL_SHA256,
    as_line,
    file_sha256,
    generate_prompts,
)
from tasks.scoring.geneval.metadata import COLORS, PromptSpec, parse_prompt_lines

__all__ = ["LONG_SHA256", "DrawnPrompts", "FilePrompts", "LongPrompts"]

LONG_SHA256 = "09472cc9c24e225417b1d5df27e688e5f2a0fcac9ec772f33d9debe4e5d49f27"
"""SHA-256 of `evaluation_metadata_long.jsonl`, the rewritten prompts of BAGEL and CHEERS."""

_REVISION = "djghosh13/geneval@af4902f"


class DrawnPrompts:
    """Prompts of the generator; the official ones by default.

    Args:
        seed: Seed of the generator.
        n: Prompts drawn for each skill but the first.
    """

    def __init__(self, seed: int = OFFICIAL_SEED, n: int = OFFICIAL_COUNT) -> None:
        self._seed = seed
        self._n = n
        self.official = (seed, n) == (OFFICIAL_SEED, OFFICIAL_COUNT)

    def dataset(self) -> DatasetInfo:
        """Identity of the prompts; the official file's hash is known without drawing them."""
        known = OFFICIAL_SHA256 if self.official else file_sha256(self._records())
        name = "geneval" if self.official else f"geneval (seed {self._seed}, n {self._n})"
        return _dataset(name, _REVISION, "MIT", known, "tasks/geneval/prompts.py")

    def specs(self, classes: Collection[str], colors: Collection[str]) -> Iterator[PromptSpec]:
        """The prompts, checked against the vocabulary of detector and colour classifier.

        Raises:
            DataError: This version of numpy draws other prompts.
            SpecError: The detector doesn't know a class, or the classifier a colour.
        """
        records = self._records()
        if self.official and file_sha256(records) != OFFICIAL_SHA256:
            raise DataError(
                "this version of numpy doesn't draw GenEval's official prompts",
                "install numpy 2.0 to 2.4, or give the official file with prompts=FILE",
            )
        lines = map(as_line, records)
        return parse_prompt_lines(lines, source="drawn prompts", classes=classes, colors=colors)

    def _records(self) -> list[dict[str, object]]:
        return generate_prompts(self._seed, self._n)


class FilePrompts:
    """Prompts of a JSON-lines file in GenEval's format.

    Args:
        location: Path, or `hf://datasets/OWNER/NAME/FILE@REVISION`.
    """

    name = "geneval-file"
    licence = "unknown"

    def __init__(self, location: str) -> None:
        self._location = location

    def dataset(self) -> DatasetInfo:
        """Identity of the prompts: the file's hash, wherever it lies.

        Raises:
            DataError: The file isn't there.
        """
        sha256 = hash_file(locate(self._location, "prompt file"))
        return _dataset(self.name, sha256[:12], self.licence, sha256, "")

    def specs(
        self, classes: Collection[str] | None = None, colors: Collection[str] = COLORS
    ) -> Iterator[PromptSpec]:
        """The prompts, streamed; see `DrawnPrompts.specs`.

        Raises:
            DataError: The file isn't there, or isn't UTF-8.
            SpecError: A line is malformed; the message names file, line and remedy.
        """
        path = locate(self._location, "prompt file")
        try:
            with path.open(encoding="utf-8") as lines:
                yield from parse_prompt_lines(
                    lines, source=str(path), classes=classes, colors=colors
                )
        except UnicodeDecodeError as error:
            raise DataError(f"{path} isn't UTF-8: {error}", "save it as UTF-8") from error


class LongPrompts(FilePrompts):
    """The 553 rewritten prompts, from a file that has exactly their hash.

    Args:
        location: As `FilePrompts`; empty where the user named none.
    """

    name = "geneval-long"

    def dataset(self) -> DatasetInfo:
        """Identity of the prompts, known without the file."""
        source = "evaluation_metadata_long.jsonl of BAGEL's and CHEERS' repositories"
        return _dataset(self.name, LONG_SHA256[:12], self.licence, LONG_SHA256, source)

    def check(self) -> None:
        """Check that the file is there and is the right one.

        Raises:
            DataError: It isn't.
        """
        if not self._location:
            raise DataError(
                "geneval-long needs its prompt file, which isn't part of this package",
                "give --task-option geneval-long.prompts=FILE with the evaluation_metadata_long."
                f"jsonl of BAGEL's or CHEERS' repository (sha256 {LONG_SHA256})",
            )
        found = hash_file(locate(self._location, "prompt file"))
        if found != LONG_SHA256:
            raise DataError(
                f"{self._location} isn't the long prompt set: its sha256 is {found}, not "
                f"{LONG_SHA256}",
                "give the original file, bytes unchanged; other rewritten prompts are "
                "--task geneval --task-option geneval.prompts=FILE",
            )

    def specs(
        self, classes: Collection[str] | None = None, colors: Collection[str] = COLORS
    ) -> Iterator[PromptSpec]:
        """The prompts, after `check`; see `FilePrompts.specs`."""
        self.check()
        return super().specs(classes, colors)


def _dataset(name: str, revision: str, licence: str, sha256: str, source: str) -> DatasetInfo:
    return DatasetInfo(
        name=name, revision=revision, split="test", licence=licence, sha256=sha256, source=source
    )
