"""Judges that see what a test tells them to, counted; and images that say what they show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.ledger import Ledger
from harness.records import Identity, TaskResult
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.judges import Crop, Instances, encode_mask
from tasks.judges.coco import GENEVAL_CLASSES

SIZE = 32


class CodeDetector:
    """Reads from an image's first row which classes it shows: red is the class, green the count.

    An image of uniform colour (r, g, b) shows `g` objects of class `r`; blue isn't looked at.
    """

    classes = GENEVAL_CLASSES

    def __init__(self) -> None:
        self.batches: list[int] = []

    def identity(self) -> Identity:
        return Identity(id="code", version="1")

    def detect(self, images: Sequence[Any]) -> list[Mapping[str, Instances]]:
        self.batches.append(len(images))
        return [self._one(image) for image in images]

    def _one(self, image: Any) -> Mapping[str, Instances]:
        number, count = int(image[0, 0, 0]), int(image[0, 0, 1])
        if not count:
            return {}
        boxes = np.array([[4 * i, 4 * i, 4 * i + 3, 4 * i + 3] for i in range(count)], np.float32)
        mask = encode_mask(np.ones(image.shape[:2], dtype=bool))
        return {
            GENEVAL_CLASSES[number]: Instances(
                boxes=boxes, scores=np.full(count, 0.95, np.float32), masks=(mask,) * count
            )
        }


class CodeColors:
    """Every object is red if the image's blue is odd, else blue."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def identity(self) -> Identity:
        return Identity(id="code-colors", version="1")

    def classify(self, crops: Sequence[Crop]) -> list[str]:
        self.calls.append(len(crops))
        return ["red" if crop.image[0, 0, 2] % 2 else "blue" for crop in crops]


def code_image(name: str, count: int = 1, *, red: bool = True, size: int = SIZE) -> Image.Image:
    return Image.new("RGB", (size, size), (GENEVAL_CLASSES.index(name), count, 255 if red else 254))


def right_image(record: Mapping[str, Any]) -> Image.Image:
    """An image that's right for a record of one clause."""
    clause = record["include"][0]
    return code_image(clause["class"], clause["count"], red=clause.get("color", "red") == "red")


@contextmanager
def installed(patch: pytest.MonkeyPatch, detector: Any, colors: Any = None) -> Iterator[None]:
    """Put judges where the factories build theirs; weights are never looked for."""
    from tasks.geneval import judges

    made = judges.Judges(detector, colors)
    with patch.context() as changed:
        changed.setattr(judges.JudgeChoice, "build", lambda _: made)
        changed.setattr(judges.JudgeChoice, "check", lambda _: None)
        yield


def record(name: str, count: int = 1, **changes: Any) -> dict[str, Any]:
    clause = {"class": name, "count": count, **({"color": "red"} if "color" in changes else {})}
    tag = "counting" if count > 1 else "colors" if "color" in changes else "single_object"
    colored = "red " if "color" in changes else ""
    return {"tag": tag, "include": [clause], "prompt": f"a photo of {count} {colored}{name}"}


RECORDS = [
    record("cow"),
    record("dog"),
    record("cup", 3),
    record("car", color=True),
    record("bus", color=True),
]


def prompt_file(folder: Path, records: Sequence[Mapping[str, Any]] = RECORDS) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def official_folder(
    root: Path, records: Sequence[Mapping[str, Any]] = RECORDS, images: int = 2
) -> Path:
    """Right images for all records, in the official layout."""
    for index, one in enumerate(records):
        samples = root / f"{index:05d}" / "samples"
        samples.mkdir(parents=True)
        (samples.parent / "metadata.jsonl").write_text(json.dumps(one))
        Image.new("RGB", (8, 8)).save(samples.parent / "grid.png")
        for k in range(images):
            right_image(one).save(samples / f"{k:05d}.png")
    return root


def run_geneval(
    out: Path, model: str, path: Path | None, prompts: Path, **options: Any
) -> TaskResult:
    args = {} if path is None else {"path": str(path)}
    args |= options.pop("args", {})
    given = {"prompts": str(prompts), "images": 2, **options}
    execute(
        RunSpec(
            tasks=(TaskRef(task="geneval", options=given),),
            model=ModelRef(name=model, args=args),
            out=str(out),
        )
    )
    return result_of(out)


def result_of(out: Path) -> TaskResult:
    with Ledger.open(out) as ledger:
        return ledger.results()[0]


def outcomes_of(out: Path, task: str = "geneval") -> dict[str, tuple[str, str]]:
    """Sample key to verdict and reason."""
    with Ledger.open(out) as ledger:
        return {
            row.sample.key: (row.outcome.verdict.value, row.outcome.reason)
            for row in ledger.scored(task)
        }


def detectors_module(**functions: Any) -> ModuleType:
    module = ModuleType("tasks.judges.detectors")
    vars(module).update(functions)
    return module
