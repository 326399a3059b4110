"""A synthetic question file, a model that draws and a judge that answers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from harness.adapter import ModelAdapter
from harness.ledger import Ledger
from harness.records import (
    AnswerRequest,
    Fingerprint,
    GenerateImageRequest,
    ModelCard,
    Response,
    TaskResult,
)
from harness.records.capability import Capability
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef

COLUMNS = (
    *("item_id", "text", "keywords", "proposition_id", "dependency"),
    *("category_broad", "category_detailed", "tuple", "question_natural_language"),
)
ROWS = [
    ("red", "a red circle", 1, "0", "entity - whole (circle)", "is there a circle?"),
    ("red", "a red circle", 2, "1", "attribute - color (circle, red)", "is it red?"),
    ("blue", "a blue square", 1, "0", "entity - whole (square)", "is there a circle?"),
    ("blue", "a blue square", 2, "1", "attribute - color (square, blue)", "is it blue?"),
]


def write_questions(
    path: Path, rows: Sequence[tuple[Any, ...]] = tuple(ROWS), lacking: str = ""
) -> Path:
    """The rows as a CSV file of DPG-Bench's columns."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [name for name in COLUMNS if name != lacking])
        writer.writeheader()
        for item, text, number, dependency, kind, question in rows:
            row = {
                "item_id": item,
                "text": text,
                "proposition_id": number,
                "dependency": dependency,
                "tuple": kind,
                "question_natural_language": question,
            }
            writer.writerow({name: value for name, value in row.items() if name != lacking})
    return path


class Model(ModelAdapter):
    """What toys have in common."""

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.card.name,
            adapter="tests",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="float32",
            device="cpu",
        )


class Painter(Model):
    """Fills the image with the colour that the prompt names."""

    card = ModelCard(
        name="painter",
        summary="A toy.",
        capabilities=frozenset({Capability.GENERATE_IMAGE}),
        licence="CC0-1.0",
        source="tests",
    )

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        return [
            Response(image=Image.new("RGB", (8, 8), "red" if "red" in r.prompt else "green"))
            for r in requests
        ]


class Critic(Model):
    """Sees a circle everywhere, and knows colours; hesitates where it's told to."""

    card = ModelCard(
        name="critic",
        summary="A toy.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="CC0-1.0",
        source="tests",
    )
    asked: ClassVar[list[str]] = []
    hesitates: ClassVar[str] = ""

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        return [Response(text=self._say(request)) for request in requests]

    def _say(self, request: AnswerRequest) -> str:
        self.asked.append(request.prompt)
        (image,) = request.images
        if self.hesitates and self.hesitates in request.prompt:
            return "hard to say"
        if "circle" in request.prompt:
            return "Yes."
        red = image.getpixel((0, 0)) == (255, 0, 0)
        return "yes" if red == ("red" in request.prompt) and red else "no"


def run_dpg(tmp_path: Path, model: str = "painter", **options: Any) -> tuple[TaskResult, Path]:
    """Run the task into `tmp_path / "run"`; `args` are the model's arguments."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    given = {"questions": str(write_questions(tmp_path / "q.csv")), "images": 2, "judge": "critic"}
    args = options.pop("args", {})
    spec = RunSpec(
        tasks=(TaskRef(task="dpg-bench", options={**given, **options}),),
        model=ModelRef(name=model, args=args),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    return result, tmp_path / "run"
