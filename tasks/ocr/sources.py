"""Pictures that go through a vision tokenizer: drawn pages, the world's words, a user's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.errors import DataError
from harness.records import DatasetInfo, Sample, digest
from tasks.ocr.pages import LAYOUTS, SIZES, draw_page, page

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.data.table import Table

__all__ = ["DrawnPages", "PictureFolder", "Pictures", "WorldWords"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Pictures(Protocol):
    """Where pictures of text come from."""

    def dataset(self) -> DatasetInfo:
        """Identity of the pictures."""
        ...

    def samples(self) -> Iterator[Sample]:
        """One sample for each; its target is the text, or `None` where nobody knows it."""
        ...

    def picture(self, sample: Sample) -> Image:
        """The picture of a sample."""
        ...

    def check(self) -> None:
        """Check before the model is asked that every picture can be had.

        Raises:
            DataError: One can't; the message names it.
        """
        ...


class DrawnPages:
    """`each` pages of every font size, sizes taking turns.

    Args:
        each: Pictures of a size.
        side: Width and height in pixels.
    """

    def __init__(self, each: int, side: int) -> None:
        self._each = each
        self._side = side

    def dataset(self) -> DatasetInfo:
        """Identity: the hash of what all pages say and look like, and of the first ones' pixels."""
        pages = [list(page(size, n, self._side)) for n in range(self._each) for size in SIZES]
        return DatasetInfo(
            name=f"ocr-pages/{self._side}",
            revision="1",
            split="test",
            licence="Apache-2.0",
            sha256=digest([pages, _pixel_hash(self._side)], 64),
            source="tasks/ocr/pages.py",
        )

    def samples(self) -> Iterator[Sample]:
        """Pages with their texts; the category is the font size."""
        for number in range(self._each):
            for size in SIZES:
                one = page(size, number, self._side)
                yield Sample(
                    id=f"{size}px-{number:05d}",
                    category=f"{size}px",
                    target=one.text,
                    data={"size": size, "number": number, "layout": one.layout},
                )

    def picture(self, sample: Sample) -> Image:
        """The page."""
        size, number = int(str(sample.data["size"])), int(str(sample.data["number"]))
        return draw_page(page(size, number, self._side), self._side)

    def check(self) -> None:
        """Drawn pictures can always be had."""


class WorldWords:
    """Words of the embedded world, 64 x 64 pixels.

    Args:
        count: Pictures.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def dataset(self) -> DatasetInfo:
        """Identity of the world's stream of words, and how many of them."""
        from tasks.shapes.dataset import world_dataset

        whole = world_dataset("word")
        return msgspec.structs.replace(whole, name=f"{whole.name}, first {self._count}")

    def samples(self) -> Iterator[Sample]:
        """Words; equal ones are one cluster."""
        from tasks.shapes.dataset import DATA_SEED, SPLIT
        from tasks.shapes.world import word_sample

        for number in range(self._count):
            word = word_sample(DATA_SEED, SPLIT, number).answer
            yield Sample(
                id=f"world-{number:05d}",
                cluster=word,
                category="world",
                target=word,
                data={"number": number},
            )

    def picture(self, sample: Sample) -> Image:
        """The word."""
        from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
        from tasks.shapes.world import word_sample

        number = int(str(sample.data["number"]))
        return picture(word_sample(DATA_SEED, SPLIT, number).scene)

    def check(self) -> None:
        """Drawn pictures can always be had."""


class PictureFolder:
    """A user's folder of pictures.

    With a `metadata.jsonl` or `metadata.csv` in it, `file_name` names the pictures, and `text`, if
    there is such a column, says what they show. Without one, all pictures of the folder are taken
    in the order of their names, and what an engine reads on the untouched picture is the reference.

    Args:
        location: The folder.

    Raises:
        DataError: There is no such folder.
    """

    def __init__(self, location: str) -> None:
        self._folder = Path(location).expanduser()
        if not self._folder.is_dir():
            raise DataError(f"there is no folder {location} of pictures", "check the path")

    def dataset(self) -> DatasetInfo:
        """Identity: names and hashes of all files of the folder."""
        from harness.data.archives import hash_tree

        found = hash_tree(self._folder)
        return DatasetInfo(
            name="ocr-pictures",
            revision=found[:12],
            split="test",
            licence="unknown",
            sha256=found,
        )

    def samples(self) -> Iterator[Sample]:
        """One for each picture, all of the category `pictures`.

        Raises:
            DataError: There is no picture.
        """
        rows = self._table_rows() if self._table() else self._file_rows()
        empty = True
        for number, (name, text) in enumerate(rows):
            empty = False
            yield Sample(
                id=f"{number:05d}",
                category="pictures",
                target=text or None,
                data={"file": name, "row": number},
            )
        if empty:
            raise DataError(
                f"folder {self._folder} has no pictures", f"put some there: {', '.join(_SUFFIXES)}"
            )

    def picture(self, sample: Sample) -> Image:
        """The picture, RGB and upright.

        Raises:
            DataError: It can't be read.
        """
        table = self._table()
        if table is not None:
            row = int(str(sample.data["row"]))
            found = table.images(row)
            if not found:
                raise DataError(f"{table.name}: row {row} names no picture", "fill in file_name")
            return found[0]
        return _opened(self._folder / str(sample.data["file"]))

    def check(self) -> None:
        """Open every picture once.

        Raises:
            DataError: One can't be read, or there is none.
        """
        for sample in self.samples():
            self.picture(sample)

    def _table_rows(self) -> Iterator[tuple[str, str]]:
        table = self._table()
        assert table is not None  # noqa: S101 -- asked for where there is one
        table.require("file_name")
        for row in table:
            yield row["file_name"], row.get("text").strip()

    def _file_rows(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self._folder.iterdir()):
            if path.suffix.lower() in _SUFFIXES:
                yield path.name, ""

    def _table(self) -> Table | None:
        if not any(self._folder.glob("metadata.*")):
            return None
        return _opened_table(self._folder)


@lru_cache(maxsize=4)
def _opened_table(folder: Path) -> Table:
    from harness.data.table import open_table

    return open_table(folder)


def _opened(path: Path) -> Image:
    from harness.data.imagecells import BadCellError
    from harness.data.pictures import decode

    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}", "check the file") from error
    except BadCellError as error:
        raise DataError(f"{path} {error}", "replace the file, or take it out") from error


def _pixel_hash(side: int) -> str:
    """Hash of the first picture of every size and layout: fonts are rendered by Pillow."""
    total = hashlib.sha256()
    for size in SIZES:
        for number in range(len(LAYOUTS)):
            total.update(draw_page(page(size, number, side), side).tobytes())
    return total.hexdigest()
