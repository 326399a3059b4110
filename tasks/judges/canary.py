"""Canaries: does a judge still say what it said when its weights were known to be right?

Before scoring, detector, colour classifier and OCR engine see small pictures made by code, and
their outputs are compared with the recorded ones for these weights on this kind of device. Wrong
weights, another kernel or a precision that was switched on behind one's back show here, not in a
table.

`python -m tasks.judges.canary --detector transformers --weights FOLDER` records one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click
import msgspec
import numpy as np
import numpy.typing as npt

from harness.errors import DataError, ProtocolMismatchError
from harness.files import write_text
from harness.records import Identity, JsonValue, Record, digest
from tasks.judges.interface import ColorJudge, Crop, Instances, ObjectDetector
from tasks.judges.ocr.interface import OCREngine, Reading
from tasks.judges.rle import encode_mask

__all__ = ["Canary", "canary_folder", "canary_images", "check_canary", "main", "record_canary"]

FOLDER = "CHEERS_BENCH_CANARIES"
"""Environment variable with the folder of recorded canaries."""

Judge: TypeAlias = ObjectDetector | ColorJudge | OCREngine
"""What has canaries."""

TOLERANCE = 1e-3
"""Largest difference of a score, and of a box as a share of the picture."""

_BEST = 8
_PER_OBJECT = 5  # a score and four sides of a box
_SIDE = 192


class Canary(Record, frozen=True, kw_only=True):
    """What a judge said of the pictures."""

    judge: Identity
    """The judge, with the hash of its weights and the policy of its device."""

    names: tuple[tuple[str, ...], ...]
    """For each picture, classes of the best objects, names of colours, or texts of boxes."""

    numbers: tuple[tuple[float, ...], ...]
    """For each picture, scores and boxes (as shares of the picture) in that order."""


def canary_folder() -> Path:
    """Where canaries are recorded: the folder of `CHEERS_BENCH_CANARIES`, else the user's cache."""
    given = os.environ.get(FOLDER)
    return Path(given) if given else Path.home() / ".cache" / "cheers-bench" / "canaries"


def canary_images() -> list[npt.NDArray[np.uint8]]:
    """Three pictures (H, W, 3) uint8: discs, stripes and a shaded scene, the same everywhere."""
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.int64)
    discs = np.full((_SIDE, _SIDE, 3), 210, np.uint8)
    for number, color in enumerate(((200, 40, 40), (40, 160, 60), (40, 70, 200))):
        inside = (x - 40 - 55 * number) ** 2 + (y - 60 - 35 * number) ** 2 < (14 + 9 * number) ** 2
        discs[inside] = color
    stripes = np.stack([(x * 5) % 256, (y * 3) % 256, (x * y // 7) % 256], -1).astype(np.uint8)
    scene = np.stack([255 - y // 2, 120 + x // 4, 60 + (x + y) // 3], -1).astype(np.uint8)
    scene[110:, 30:90] = (90, 60, 30)
    scene[80:150, 110:170] = (230, 220, 90)
    return [discs, stripes, scene[:144]]


def record_canary(judge: Judge, folder: Path | None = None) -> Path:
    """Record what a judge says now; only for weights that are known to be right.

    Returns:
        The file, one for each judge, weights and device policy.
    """
    path = _path(judge.identity(), folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(_observe(judge)), indent=2).decode()
    write_text(path, text + "\n")
    return path


def check_canary(judge: Judge, folder: Path | None = None) -> bool:
    """Compare what a judge says with what was recorded.

    Returns:
        Whether there is a record; without one nothing is checked.

    Raises:
        ProtocolMismatchError: The outputs differ; the message has both.
        DataError: The record can't be read.
    """
    path = _path(judge.identity(), folder)
    if not path.is_file():
        return False
    try:
        recorded = msgspec.json.decode(path.read_bytes(), type=Canary)
    except msgspec.DecodeError as error:
        raise DataError(f"canary {path} can't be read: {error}", "record it again") from error
    fault = _difference(recorded, _observe(judge), texts=hasattr(judge, "read"))
    if fault:
        raise ProtocolMismatchError(
            f"judge {judge.identity().id!r} doesn't see its canary as recorded in {path}: {fault}",
            "check driver, precision and packages; record again only if the new outputs are right",
        )
    return True


def _observe(judge: Judge) -> Canary:
    """What the judge says of every picture."""
    if hasattr(judge, "read"):
        names, numbers = _texts(judge)
    else:
        names, numbers = _colors(judge) if hasattr(judge, "classify") else _objects(judge)
    return Canary(judge=judge.identity(), names=names, numbers=numbers)


def _objects(judge: Any) -> tuple[Any, Any]:
    images = canary_images()
    seen = [
        sorted(_flat(found, image), key=lambda one: -one[1][0])[:_BEST]
        for image, found in zip(images, judge.detect(images), strict=True)
    ]
    names = tuple(tuple(name for name, _ in best) for best in seen)
    numbers = tuple(tuple(n for _, values in best for n in values) for best in seen)
    return names, numbers


def _flat(found: Any, image: npt.NDArray[np.uint8]) -> list[tuple[str, list[float]]]:
    """Each object's class, and its score and box as shares of the picture."""
    items: list[tuple[str, Instances]] = list(found.items())
    return [
        (name, [float(score), *_shares(box, image)])
        for name, instances in items
        for score, box in zip(instances.scores, instances.boxes, strict=True)
    ]


def _colors(judge: Any) -> tuple[Any, Any]:
    crops = [_crop(image) for image in canary_images()]
    names = tuple((name,) for name in judge.classify(crops))
    scores = getattr(judge, "scores", None)
    if scores is None:
        return names, tuple(() for _ in crops)
    return names, tuple(tuple(row) for row in scores(crops).tolist())


def _texts(engine: Any) -> tuple[Any, Any]:
    from tasks.judges.ocr.canary import text_canaries

    images = text_canaries()
    seen: list[Reading] = engine.read(images)
    names = tuple(tuple(box.text for box in reading.boxes) for reading in seen)
    numbers = tuple(
        tuple(
            float(value)
            for box in reading.boxes
            for value in (box.confidence, *_shares(np.array(box.box), image))
        )
        for image, reading in zip(images, seen, strict=True)
    )
    return names, numbers


def _shares(box: npt.NDArray[Any], image: npt.NDArray[np.uint8]) -> list[float]:
    """A box of pixels as shares of the picture."""
    scale = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    shares: list[float] = (box / scale).tolist()
    return shares


def _crop(image: npt.NDArray[np.uint8]) -> Crop:
    height, width = image.shape[:2]
    mask = np.zeros((height, width), bool)
    mask[20 : height - 20, 30 : width - 10] = True
    box = np.array([30, 20, width - 10, height - 20], np.float32)
    return Crop(image=image, label="cup", box=box, mask=encode_mask(mask))


def _difference(recorded: Canary, seen: Canary, *, texts: bool) -> str:
    """What differs first; empty if nothing does. Texts are compared as they are."""
    for number, (then, now) in enumerate(zip(recorded.numbers, seen.numbers, strict=True)):
        far = _largest(then, now)
        both = f"{_shown(recorded, number)} then, {_shown(seen, number)} now"
        if far > TOLERANCE:
            return f"picture {number}: {both} (largest difference {far:.3g}, allowed {TOLERANCE:g})"
        changed = recorded.names[number] != seen.names[number]
        if (texts and changed) or _renamed(recorded, seen, number):
            return f"picture {number}: {both}: other names with the same scores"
    return ""


def _renamed(recorded: Canary, seen: Canary, number: int) -> bool:
    """Whether a name changed that no near score explains; equal scores come in any order."""
    then, now, scores = recorded.names[number], seen.names[number], _scores(recorded, number)
    return any(
        one != other and _stands_alone(scores, place)
        for place, (one, other) in enumerate(zip(then, now, strict=False))
    )


def _scores(canary: Canary, number: int) -> list[float]:
    """Scores of the named objects; of a colour classifier those of all colours, the best first."""
    names, values = canary.names[number], canary.numbers[number]
    objects = len(values) == _PER_OBJECT * len(names)
    return list(values[::_PER_OBJECT]) if objects else sorted(values, reverse=True)


def _stands_alone(scores: Sequence[float], place: int) -> bool:
    return bool(scores) and all(
        abs(scores[place] - other) > 2 * TOLERANCE
        for index, other in enumerate(scores)
        if index != place
    )


def _largest(then: Sequence[float], now: Sequence[float]) -> float:
    if len(then) != len(now):
        return float("inf")
    return max((abs(a - b) for a, b in zip(then, now, strict=True)), default=0.0)


def _shown(canary: Canary, number: int) -> str:
    figures = ", ".join(f"{value:.4f}" for value in canary.numbers[number][:5])
    return f"{'/'.join(canary.names[number][:2])} [{figures}]"


def _path(identity: Identity, folder: Path | None) -> Path:
    """Weights and device policy name the file; versions of packages are what is tested."""
    settings: dict[str, JsonValue] = dict(identity.settings)
    key = digest([identity.id, identity.weights_sha256, settings])
    return (folder or canary_folder()) / f"{identity.id}-{key}.json"


def _built(
    detector: str | None, color_judge: str | None, ocr: str | None, weights: str | None, device: str
) -> Judge:
    """The judge that was named; an OCR engine brings its own weights."""
    from tasks.judges.colors import build_color_judge
    from tasks.judges.detectors import build_detector
    from tasks.judges.ocr.engines import EngineChoice

    if ocr is not None:
        return EngineChoice(ocr).load()
    if detector is not None:
        return build_detector(detector, weights, device)
    return build_color_judge(str(color_judge), weights, device)


@click.command()
@click.option("--detector", help="Name of a detector.")
@click.option("--color-judge", help="Name of a colour classifier.")
@click.option("--ocr", help="Name of an OCR engine.")
@click.option("--weights", help="Its weights.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help=f"Where to; default ${FOLDER}.")
def main(
    *,
    detector: str | None,
    color_judge: str | None,
    ocr: str | None,
    weights: str | None,
    device: str,
    folder: Path | None,
) -> None:
    """Record what a judge with right weights says of the canary pictures."""
    if sum(name is not None for name in (detector, color_judge, ocr)) != 1:
        raise click.UsageError("give one of --detector, --color-judge and --ocr")
    judge = _built(detector, color_judge, ocr, weights, device)
    click.echo(f"wrote {record_canary(judge, folder)}")


if __name__ == "__main__":
    main()
