"""The adapter that serves stored images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.adapter import ModelAdapter
from harness.errors import AdapterError, SpecError
from harness.records import (
    Capability,
    Fingerprint,
    GenerateImageRequest,
    JsonValue,
    ModelCard,
    Request,
    Response,
    Sample,
)
from model_adapters.recorded.leniency import read_flaws
from model_adapters.recorded.request import Replay

if TYPE_CHECKING:
    from PIL.Image import Image

    from model_adapters.recorded.survey import Survey

__all__ = ["RecordedImages"]

_CODE_VERSION = "1"
_SIZE = re.compile(r"(\d+)x(\d+)\Z")


class _Source(Protocol):
    """A layout of stored images."""

    def survey(self) -> Survey: ...

    def describe(self) -> Mapping[str, JsonValue]: ...

    def read(self, request: Replay) -> Image: ...

    def close(self) -> None: ...


class RecordedImages(ModelAdapter):
    """Serves the images of a folder, each to the sample that it was made for.

    The folder is in GenEval's layout, in DPG-Bench's (with `grid`), or a run of this program. An
    image that is missing makes its sample `missing`; one that is empty, truncated, no PNG, of
    another size, turned by EXIF, or made for another prompt makes it `errored`. The reason names
    the file.

    Args:
        path: The folder.
        accept: Flaws to accept, as `jpeg,exif`; see `model_adapters.recorded.leniency.FLAWS`.
        size: Size that image files must have, as `512x512`; else what most of them have.
        grid: Reads DPG-Bench's layout, a file for each item: `2x2` if it holds four images in a
            grid, `1x1` if it holds one.

    Raises:
        AdapterError: There is no such folder, or its layout isn't known.
        SpecError: `accept`, `size` or `grid` is malformed.
    """

    card = ModelCard(
        name="recorded",
        summary="Images from a folder, or from another run, in a model's place.",
        capabilities=frozenset({Capability.GENERATE_IMAGE}),
        licence="unknown",
        source="the folder given as recorded:FOLDER",
    )

    def __init__(self, path: str, *, accept: str = "", size: str = "", grid: str = "") -> None:
        self._path = Path(path)
        self._accept = read_flaws(accept)
        self._size = _read_size(size)
        self._grid = _read_grid(grid)
        self._source: _Source = self._open()

    def fingerprint(self) -> Fingerprint:
        """Hash over all files, and what was accepted."""
        return self._fingerprint

    def address(self, request: Request, task: str, sample: Sample) -> Request:
        """Note the sample on the request; the image is found by it."""
        if not isinstance(request, GenerateImageRequest):
            return request
        return Replay(**msgspec.structs.asdict(request), task=task, sample=sample)

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Read the images.

        Raises:
            NoResponseError: An image is missing or can't be used.
            AdapterError: A request doesn't say which sample it's for.
        """
        return [Response(image=self._source.read(_addressed(request))) for request in requests]

    def preferred_batch_size(self, capability: Capability) -> int:
        """One: images are read one after another anyway, and a bad one has no neighbours."""
        del capability
        return 1

    def close(self) -> None:
        """Close the other run's ledger, if there is one."""
        self._source.close()

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}:{type(self).__qualname__}",
            code_version=_CODE_VERSION,
            weights_sha256=self._source.survey().sha256,
            config={**self._source.describe(), "accept": sorted(self._accept)},
            defaults={},
            dtype="uint8",
            device="none",
        )

    def _open(self) -> _Source:
        from harness.ledger import is_run_folder
        from model_adapters.recorded.geneval_folder import GenEvalFolder
        from model_adapters.recorded.grid_folder import GridFolder
        from model_adapters.recorded.run_folder import RunFolder

        if not self._path.is_dir():
            raise AdapterError(
                f"there is no folder {self._path}", "name it as --model recorded:FOLDER"
            )
        if is_run_folder(self._path):
            return RunFolder(self._path)
        if self._grid:
            return GridFolder(self._path, self._accept, self._size, self._grid)
        return GenEvalFolder(self._path, self._accept, self._size)


def _addressed(request: GenerateImageRequest) -> Replay:
    if isinstance(request, Replay):
        return request
    raise AdapterError(
        "model 'recorded' was asked without a sample",
        "it serves runs; read the images yourself where there is no task",
    )


def _read_grid(text: str) -> str:
    from model_adapters.recorded.grid_folder import GRIDS

    if text and text not in GRIDS:
        raise SpecError(f"model 'recorded': grid is {text!r}", "write " + " or ".join(GRIDS))
    return text


def _read_size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = _SIZE.match(text)
    if found is None:
        raise SpecError(f"model 'recorded': size is {text!r}", "write WIDTHxHEIGHT, as 512x512")
    return int(found[1]), int(found[2])
