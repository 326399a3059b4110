"""Tesseract by its command line: no shell, one thread, a time limit."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.data.hashing import hash_file
from harness.errors import DataError
from harness.records import Identity, JsonValue
from tasks.judges.ocr.interface import Reading, TextBox
from tasks.judges.ocr.order import OVERLAP, reading_order

__all__ = ["TesseractReader", "check_tesseract", "tesseract_identity"]

LANGUAGE = "eng"
SPARSE_TEXT = 11
MIN_SIDE = 512
MAX_SIDE = 4096
TIMEOUT = 60.0

_ARGUMENTS = ("stdin", "stdout", "--psm", str(SPARSE_TEXT), "-l", LANGUAGE, "--dpi", "150", "tsv")
_INSTALL = "install it, e.g. `apt-get install tesseract-ocr`, or choose engine=rapidocr"


class TesseractReader:
    """Reads words with the system's `tesseract` in its mode for sparse text.

    Pictures whose short side is below `MIN_SIDE` pixels are enlarged by a whole factor first:
    tesseract was made for scans. Those whose long side is above `MAX_SIDE` are reduced to it.

    Args:
        threads: Pictures that are read at the same time.
        timeout: Seconds for one picture.

    Raises:
        DataError: The program or its English data are missing.
    """

    def __init__(self, threads: int = 1, timeout: float = TIMEOUT) -> None:
        check_tesseract()
        self._program = _program()
        self._threads = threads
        self._timeout = timeout

    def identity(self) -> Identity:
        """Version of the program, hash of its data, mode."""
        return tesseract_identity()

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Reading]:
        """Read pictures side by side; see `OCREngine.read`.

        Raises:
            DataError: The program failed, or took too long.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._one, images))

    def _one(self, image: npt.NDArray[np.uint8]) -> Reading:
        png, scale = _encoded(image)
        try:
            done = subprocess.run(  # noqa: S603 -- a fixed program with fixed arguments
                [self._program, *_ARGUMENTS],
                input=png,
                capture_output=True,
                timeout=self._timeout,
                check=False,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"tesseract took more than {self._timeout:g} s for a picture of "
                f"{image.shape[1]} x {image.shape[0]}",
                "choose engine=rapidocr for such pictures",
            ) from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise DataError(f"tesseract ended with {done.returncode}: {said}", "run it by hand")
        return Reading(lines=reading_order(_words(done.stdout.decode(), scale)))


class _Installed(NamedTuple):
    version: str
    data: Path


def check_tesseract() -> None:
    """Check that the program and its English data are there.

    Raises:
        DataError: They aren't; the remedy says how to get them.
    """
    if not _installed(_program()).data.is_file():
        raise DataError(f"tesseract has no data for {LANGUAGE!r}", _INSTALL)


def tesseract_identity() -> Identity:
    """Identity of the engine; its version is `not installed` where it isn't."""
    settings: dict[str, JsonValue] = {
        "language": LANGUAGE,
        "page_segmentation": SPARSE_TEXT,
        "min_side": MIN_SIDE,
        "max_side": MAX_SIDE,
        "line_overlap": OVERLAP,
    }
    try:
        found = _installed(_program())
        weights = hash_file(found.data, "tesseract's data")
    except DataError:
        return Identity(id="tesseract", version="not installed", settings=settings)
    return Identity(
        id="tesseract", version=found.version, weights_sha256=weights, settings=settings
    )


def _program() -> str:
    found = shutil.which("tesseract")
    if found is None:
        raise DataError("the OCR engine 'tesseract' needs the program of that name", _INSTALL)
    return found


@lru_cache(maxsize=4)
def _installed(program: str) -> _Installed:
    version = _output(program, "--version").splitlines()[0].removeprefix("tesseract").strip()
    folder = re.search(r'"(.+)"', _output(program, "--list-langs"))
    if folder is None:
        raise DataError(f"{program} doesn't say where its data are", _INSTALL)
    return _Installed(version, Path(folder[1]) / f"{LANGUAGE}.traineddata")


def _output(program: str, argument: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed program with fixed arguments
            [program, argument], capture_output=True, timeout=TIMEOUT, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DataError(f"{program} {argument} fails: {error}", _INSTALL) from error
    return done.stdout or done.stderr


def _encoded(image: npt.NDArray[np.uint8]) -> tuple[bytes, float]:
    """PNG of the picture at a size that tesseract reads well, and the factor."""
    from PIL import Image

    picture = Image.fromarray(image)
    scale = _factor(*picture.size)
    if scale != 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue(), scale


def _factor(width: int, height: int) -> float:
    short, long = sorted((width, height))
    if long > MAX_SIDE:
        return MAX_SIDE / long
    return max(1, min(-(-MIN_SIDE // short), MAX_SIDE // long))


def _words(table: str, scale: float) -> Iterator[TextBox]:
    """Words of tesseract's table; rows without a confidence are blocks and lines."""
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text, confidence = row["text"] or "", float(row["conf"])
        if confidence < 0 or not text.strip():
            continue
        left, top, width, height = (
            float(row[name]) / scale for name in ("left", "top", "width", "height")
        )
        box = (left, top, left + width, top + height)
        yield TextBox(text=text.strip(), confidence=confidence / 100, box=box)
