"""PP-OCR by rapidocr on onnxruntime, with the weights that the package ships.

The networks run on one thread each and pictures go through them side by side, so the text doesn't
depend on the number of processors. Nothing is ever fetched: rapidocr downloads weights that it
doesn't find, so the files are looked up first and handed over by path.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data.hashing import hash_file
from harness.errors import DataError
from harness.records import Identity, JsonValue, digest
from tasks.judges.ocr.frame import MAX_ASPECT, framed
from tasks.judges.ocr.interface import Reading, TextBox
from tasks.judges.ocr.order import OVERLAP, reading_order

__all__ = ["RapidReader", "bundled_weights", "check_rapidocr", "rapidocr_identity"]

_STAGES = ("det", "rec")
_PACKAGES = ("rapidocr", "onnxruntime")

_SETTINGS: dict[str, Any] = {
    "Global.text_score": 0.5,
    "Global.use_cls": False,
    "Global.min_side_len": 30,
    "Global.max_side_len": 2000,
    "Det.limit_side_len": 736,
    "Det.limit_type": "min",
    "Det.thresh": 0.3,
    "Det.box_thresh": 0.5,
    "Det.unclip_ratio": 1.6,
    "Rec.rec_batch_num": 6,
}
"""What the text depends on: rapidocr's own values, but that lines are never turned upside down: a
word like `SOS` reads the same both ways, and a picture that stands on its head isn't right."""


class RapidReader:
    """Detects lines with PP-OCR's detector and reads each with its recogniser.

    Args:
        threads: Pictures that are read at the same time.

    Raises:
        DataError: A package is missing, or isn't accompanied by its weights.
    """

    def __init__(self, threads: int = 1) -> None:
        check_rapidocr()
        self._threads = threads
        self._engine = _build(bundled_weights())

    def identity(self) -> Identity:
        """Packages, hashes of both networks, thresholds."""
        return rapidocr_identity()

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Reading]:
        """Read pictures side by side; see `OCREngine.read`."""
        if min(self._threads, len(images)) < 2:
            return [self._one(image) for image in images]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._one, images))

    def _one(self, image: npt.NDArray[np.uint8]) -> Reading:
        page = framed(image)
        found = self._engine(np.ascontiguousarray(page.pixels[:, :, ::-1]))  # it takes BGR
        if not found.txts:
            return Reading()
        corners = np.asarray(found.boxes, np.float64) - (page.left, page.top)
        rows = zip(found.txts, found.scores, corners, strict=True)
        return Reading(lines=reading_order(_box(*row) for row in rows))


def bundled_weights() -> dict[str, Path]:
    """Detector and recogniser that rapidocr ships, found without importing it.

    Raises:
        DataError: The package or a file isn't there, or there are several of a kind.
    """
    found = util.find_spec("rapidocr")
    if found is None or found.origin is None:
        raise _absent("rapidocr")
    folder = Path(found.origin).parent / "models"
    files = {stage: sorted(folder.glob(f"*_{stage}_*.onnx")) for stage in _STAGES}
    for stage, paths in files.items():
        if len(paths) != 1:
            names = ", ".join(path.name for path in paths) or "none"
            raise DataError(
                f"rapidocr's own weights *_{stage}_*.onnx should be one file in {folder}, but "
                f"there are {names}; nothing is fetched here",
                "pip install --force-reinstall --no-deps rapidocr",
            )
    return {stage: paths[0] for stage, paths in files.items()}


def check_rapidocr() -> None:
    """Check that packages and weights are there; nothing is imported.

    Raises:
        DataError: One is missing; the remedy says how to get it.
    """
    for package in _PACKAGES:
        if util.find_spec(package) is None:
            raise _absent(package)
    bundled_weights()


def rapidocr_identity() -> Identity:
    """Identity of the engine, known without importing it; `not installed` where it isn't."""
    settings: dict[str, JsonValue] = {
        **_SETTINGS,
        "max_aspect": MAX_ASPECT,
        "line_overlap": OVERLAP,
        "threads_of_a_network": 1,
    }
    version = f"{_version('rapidocr')} on onnxruntime {_version('onnxruntime')}"
    try:
        hashes = {stage: hash_file(path, "weights") for stage, path in bundled_weights().items()}
    except DataError:
        return Identity(id="rapidocr", version=version, settings=settings)
    return Identity(
        id="rapidocr",
        version=version,
        weights_sha256=digest(list(hashes.values()), 64),
        settings={**settings, **{f"{stage}_sha256": value for stage, value in hashes.items()}},
    )


def _build(weights: dict[str, Path]) -> Any:
    _check_alphabet(weights["rec"])
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            **_SETTINGS,
            "Global.log_level": "critical",  # it reports every step on the terminal
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(weights["det"]),
            "Rec.model_path": str(weights["rec"]),
        }
    )


def _check_alphabet(recogniser: Path) -> None:
    """A network without its alphabet would make rapidocr fetch one."""
    from onnxruntime import InferenceSession

    session = InferenceSession(str(recogniser), providers=["CPUExecutionProvider"])
    if "character" not in session.get_modelmeta().custom_metadata_map:
        raise DataError(
            f"{recogniser} has no alphabet in it; nothing is fetched here",
            "pip install --upgrade 'rapidocr>=3.4'",
        )


def _box(text: str, score: float, corners: npt.NDArray[np.float64]) -> TextBox:
    (x0, y0), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
    return TextBox(text=text, confidence=float(score), box=(x0, y0, x1, y1))


def _absent(package: str) -> DataError:
    return DataError(
        f"the OCR engine 'rapidocr' needs the package {package}", "pip install 'cheers-bench[ocr]'"
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
