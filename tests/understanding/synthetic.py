"""Small data sets in the benchmarks' own formats, drawn here: every column that the originals have.

Questions are those of the embedded world, so that cheers-nano can answer them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
from tasks.shapes.world import MCQSample, mcq_sample, rotations, word_sample
from tests.data.toys import write_tsv

__all__ = ["BENCHMARKS", "picture_file", "write_benchmark", "write_rows"]

LETTERS = "ABCD"
Rows = Iterator[dict[str, Any]]


def base64_png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def asked(index: int) -> MCQSample:
    return mcq_sample(DATA_SEED, SPLIT, index)


def scene(index: int) -> str:
    return base64_png(picture(asked(index).scene))


def picture_file(folder: Path, index: int) -> str:
    """Write a scene beside a table, and name it."""
    name = f"{index}.png"
    picture(asked(index).scene).save(folder / name)
    return name


def word(index: int) -> tuple[str, str]:
    """A word, and its picture."""
    sample = word_sample(DATA_SEED, SPLIT, index)
    return sample.answer, base64_png(picture(sample.scene))


def with_options(sample: MCQSample) -> dict[str, str]:
    return {
        "question": sample.question,
        **dict(zip(LETTERS, sample.options, strict=True)),
        "answer": LETTERS[sample.answer],
    }


def mmbench(count: int) -> Rows:
    """Rotation k of question i is row i + k * 1,000,000; its picture is that of row i."""
    for k in range(4):
        for index in range(count):
            sample = rotations(asked(index))[k]
            yield {
                "index": index + k * 1_000_000,
                **with_options(sample),
                "hint": "Shapes on a sheet of paper." if index == 0 else "",
                "category": sample.category,
                "l2-category": "coarse_perception" if index % 2 else "attribute_reasoning",
                "source": "world",
                "split": "dev",
                "image": scene(index) if k == 0 else str(index),
            }


def plain_choice(count: int, **columns: Callable[[int], str]) -> Rows:
    for index in range(count):
        sample = asked(index)
        yield {
            "index": index,
            **with_options(sample),
            "category": sample.category,
            **{name: make(index) for name, make in columns.items()},
            "image": scene(index),
        }


def mmstar(count: int) -> Rows:
    yield from plain_choice(count, l2_category=lambda i: f"finer {i % 3}", bench=lambda i: "world")


def scienceqa(count: int) -> Rows:
    """One row has no picture: the benchmark leaves it out."""
    for row in plain_choice(count, hint=lambda i: "Look closely." if i == 1 else ""):
        yield {**row, "image": "" if row["index"] == 0 else row["image"]}


def mmmu(count: int) -> Rows:
    """Several pictures a row, named in the text; an open question; rows of two splits."""
    for index in range(count):
        sample, split = asked(index), "dev" if index == 0 else "validation"
        common = {
            "index": index,
            "id": f"{split}_Art_{index}",
            "category": "Art",
            "l2-category": "Art & Design",
            "split": split,
        }
        if index == 2:
            yield common | {
                "question": "How many shapes are in <image 1>?",
                "answer": "2",
                "image": scene(index),
            }
            continue
        text = f"{sample.question} <image 2> <image 1>"
        pictures = str([scene(index), scene(index + 1)])
        yield common | with_options(sample) | {"question": text, "image": pictures}


def mathvista(count: int) -> Rows:
    for index in range(count):
        sample = asked(index)
        common = {"index": index, "task": "figure question answering", "category": "general-vqa"}
        if index % 2:
            yield common | {
                "question": f"Hint: Give the letter.\nQuestion: {sample.question}\nChoices:\n"
                + "\n".join(f"({a}) {b}" for a, b in zip(LETTERS, sample.options, strict=True)),
                "question_type": "multi_choice",
                "answer_type": "text",
                "choices": str(list(sample.options)),
                "answer": sample.options[sample.answer],
                "image": scene(index),
            }
        else:
            yield common | {
                "question": "How many shapes are there?",
                "question_type": "free_form",
                "answer_type": "float" if index % 4 else "integer",
                "precision": "1.0" if index % 4 else "",
                "answer": "1.5" if index % 4 else "2",
                "image": scene(index),
            }


SUBSETS = ("random", "popular", "adversarial")


def pope(count: int) -> Rows:
    """A question in several subsets is one row that names them all."""
    for index in range(count):
        yield {
            "index": index,
            "question": "is there a red shape?",
            "answer": "Yes" if index % 2 else "No",
            "category": "random,popular,adversarial" if index % 2 else SUBSETS[index % 3],
            "image_path": f"{index // 2}.jpg",
            "image": scene(index // 2),
        }


def mme(count: int) -> Rows:
    """Two questions on each picture, in all fourteen categories."""
    from tasks.scoring.mme import COGNITION, PERCEPTION

    for place, category in enumerate((*PERCEPTION, *COGNITION)):
        for number in range(max(2, count // 8)):
            for half, answer in enumerate(("Yes", "No")):
                yield {
                    "index": (place * 100 + number) * 2 + half,
                    "question": f"is there a {'red' if half else 'blue'} shape?",
                    "answer": answer,
                    "category": category,
                    "image_path": f"{category}/{number}.jpg",
                    "image": scene(number),
                }


def read(count: int, answers: Callable[[str], str], **columns: Callable[[int], str]) -> Rows:
    """Words in pictures."""
    for index in range(count):
        text, image = word(index)
        yield {
            "index": index,
            "question": "what is written in the image?",
            "answer": answers(text),
            **{name: make(index) for name, make in columns.items()},
            "image": image,
        }


def ocrbench(count: int) -> Rows:
    from tasks.scoring.ocr import OCRBENCH_CATEGORIES

    yield from read(count, lambda w: str([w]), category=lambda i: OCRBENCH_CATEGORIES[i % 10])


def textvqa(count: int) -> Rows:
    yield from read(
        count,
        lambda w: str([w] * 10),
        image_id=lambda i: f"photo {i // 2}",
        ocr_tokens=lambda i: str(["exit", str(i)]),
    )


def documents(count: int) -> Rows:
    yield from read(count, lambda w: str([w, f"the {w}"]))


def chartqa(count: int) -> Rows:
    yield from read(count, lambda w: w, split=lambda i: "test_human" if i % 2 else "test_augmented")


BENCHMARKS: Mapping[str, Callable[[int], Rows]] = {
    "ai2d": plain_choice,
    "chartqa": chartqa,
    "docvqa": documents,
    "infovqa": documents,
    "mathvista": mathvista,
    "mmbench": mmbench,
    "mme": mme,
    "mmmu": mmmu,
    "mmstar": mmstar,
    "ocrbench": ocrbench,
    "pope": pope,
    "realworldqa": plain_choice,
    "scienceqa": scienceqa,
    "seedbench": plain_choice,
    "textvqa": textvqa,
}
"""Tasks by name, with what makes their rows."""


def write_benchmark(task: str, folder: Path, count: int = 8) -> Path:
    """A data file of `count` questions in the format of a task's benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_rows(folder / f"{task}.tsv", list(BENCHMARKS[task](count)))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Rows as pandas writes them to a TSV; columns are all that any row has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return write_tsv(path, rows, columns)
