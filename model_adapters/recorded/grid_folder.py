"""DPG-Bench's folder layout: `ITEM.png`, four images of one prompt in a 2x2 grid.

As `dpg_dataset.py` of AI9Stars/Cheers at commit da1cb77 writes it (there as JPEG) and
`compute_dpg_bench.py` of ELLA reads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import AdapterError, NoResponseError
from harness.grid import CELLS, cut_grid
from harness.records import JsonValue
from model_adapters.recorded.pictures import check_prompt, read_picture
from model_adapters.recorded.request import Replay
from model_adapters.recorded.size import Size, SizeRule
from model_adapters.recorded.survey import Survey, survey

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["GRIDS", "GridFolder"]

GRIDS = ("2x2", "1x1")
"""Whether a file holds four images of a prompt, or one."""

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


class GridFolder:
    """Images that are named by their item.

    Args:
        root: The folder.
        accept: Flaws that are accepted; see `FLAWS`.
        size: Width and height that every file must have; `None` is what most of them have.
        grid: One of `GRIDS`.

    Raises:
        AdapterError: There are no image files, or two are named by one item.
    """

    def __init__(self, root: Path, accept: frozenset[str], size: Size | None, grid: str) -> None:
        self._root, self._accept, self._grid = root, accept, grid
        self._size = SizeRule(size, lambda: self.survey().size, accept, "files")
        self._survey: Survey | None = None
        self._files = _files_by_item(root)

    def close(self) -> None:
        """Nothing is held open."""

    def survey(self) -> Survey:
        """Hash and count of all files; they are read once."""
        if self._survey is None:
            files = (self._root / name for name in sorted(self._files.values()))
            self._survey = survey(self._root, files)
        return self._survey

    def describe(self) -> Mapping[str, JsonValue]:
        """What the fingerprint says about the layout."""
        found, size = self.survey(), self._size.wanted()
        shown = None if size is None else list(size)
        return {"layout": f"grid {self._grid}", "files": found.images, "size": shown}

    def read(self, request: Replay) -> Image:
        """The image of a request, cut out of its file.

        Raises:
            NoResponseError: There is none, or it can't be used; the reason names the file.
        """
        item, k = request.sample.id, request.sample.k
        name = self._files.get(item)
        cells = CELLS if self._grid == "2x2" else 1
        if name is None or k >= cells:
            why = (
                f"no file {item}.png" if name is None else f"{cells} images of {item}, not {k + 1}"
            )
            raise NoResponseError(f"{self._root.name} has {why}", missing=True)
        image = read_picture(self._root / name, name, self._accept)
        check_prompt(image, request.prompt, name)
        self._size.check(image, name)
        return self._cell(image, k, name)

    def _cell(self, image: Image, k: int, name: str) -> Image:
        if self._grid == "1x1":
            return image
        try:
            return cut_grid(image, k)
        except ValueError as error:
            raise NoResponseError(f"{name}: {error}") from error


def _files_by_item(root: Path) -> dict[str, str]:
    files: dict[str, str] = {}
    for name in sorted(_image_files(root)):
        item = Path(name).stem
        if item in files:
            raise AdapterError(
                f"{root} has two files of item {item!r}: {files[item]}, {name}", "keep one of them"
            )
        files[item] = name
    if not files:
        raise AdapterError(
            f"{root} has no image files", "images are expected at ITEM.png, named by their item"
        )
    return files


def _image_files(root: Path) -> Iterator[str]:
    with os.scandir(root) as entries:
        for entry in entries:
            if Path(entry.name).suffix.lower() in _SUFFIXES and entry.is_file():
                yield entry.name
