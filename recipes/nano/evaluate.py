"""`python -m recipes.nano.evaluate`: quick scores of a checkpoint on held-out seeds.

Meant to watch a training. The numbers that count come from the tasks of the suite; these use the
same samples, the same detector and the same rules, with fewer guards around them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from tasks.scoring.mmbench import can_infer
from tasks.shapes.detector import Detection, detect
from tasks.shapes.world import (
    LETTERS,
    SKILLS,
    WORD_QUESTION,
    edit_sample,
    format_mcq,
    generation_sample,
    mcq_sample,
    render,
    word_sample,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from model_adapters.cheers import Checkpoint, ImageSettings

__all__ = [
    "draw",
    "evaluate_easy_vqa",
    "evaluate_edits",
    "evaluate_generation",
    "evaluate_mcq",
    "evaluate_words",
    "main",
    "satisfies",
]

_THRESHOLD, _COUNTING_THRESHOLD, _POSITION_THRESHOLD = 0.3, 0.9, 0.1
_SEED = 1000
_BATCH = 24


def satisfies(metadata: dict[str, Any], image: NDArray[np.uint8]) -> bool:
    """Whether an image shows what a GenEval record asks for (Ghosh et al., 2023)."""
    floor = _COUNTING_THRESHOLD if metadata["tag"] == "counting" else _THRESHOLD
    found = [item for item in detect(image) if item.score > floor]
    groups: list[list[Detection]] = []
    for wanted in metadata["include"]:
        items = [item for item in found if item.label == wanted["class"]][: wanted["count"]]
        if "color" in wanted:
            items = [item for item in items if item.color == wanted["color"]]
        if len(items) < wanted["count"]:
            return False
        if "position" in wanted:
            relation, target = wanted["position"]
            pairs = [(a, b) for a in items for b in groups[target]]
            if not all(relation in _relations(a, b) for a, b in pairs):
                return False
        groups.append(items)
    for unwanted in metadata.get("exclude", []):
        if sum(item.label == unwanted["class"] for item in found) >= unwanted["count"]:
            return False
    return True


def _relations(first: Detection, second: Detection) -> set[str]:
    boxes = np.array([first.box, second.box]).reshape(2, 2, 2)
    centers, dims = boxes.mean(1), np.abs(boxes[:, 1] - boxes[:, 0])
    offset = centers[0] - centers[1]
    moved = np.maximum(np.abs(offset) - _POSITION_THRESHOLD * dims.sum(0), 0) * np.sign(offset)
    if not moved.any():
        return set()
    dx, dy = moved / np.linalg.norm(offset)
    tests = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {name for name, holds in tests.items() if holds}


def draw(
    checkpoint: Checkpoint,
    instructions: Sequence[str],
    settings: ImageSettings,
    sources: Sequence[Image] | None = None,
) -> list[NDArray[np.uint8]]:
    """Draw, or edit `sources`; noise and dummy are functions of the sample's number."""
    from model_adapters.cheers import edit_image, generate_image, image_noise, to_image

    images = []
    for start in range(0, len(instructions), _BATCH):
        numbers = range(start, min(start + _BATCH, len(instructions)))
        noise = [image_noise(checkpoint.model.config, _SEED + number) for number in numbers]
        prompts = [
            checkpoint.processor.image_prompt(
                instructions[number], [sources[number]] if sources else [], seed=_SEED + number
            )
            for number in numbers
        ]
        act = edit_image if sources else generate_image
        drawn = act(checkpoint.model, prompts, noise, settings)
        images += [np.asarray(to_image(result.image)) for result in drawn]
    return images


def evaluate_generation(
    checkpoint: Checkpoint, settings: ImageSettings, count: int, grid: Path | None = None
) -> dict[str, float]:
    """Share of right images per GenEval skill, and their mean as `overall`.

    Args:
        checkpoint: The model.
        settings: How to draw.
        count: Prompts of the test split; skills take turns.
        grid: Where to write the first images as one picture, if anywhere.
    """
    samples = [generation_sample(_SEED, "test", index) for index in range(count)]
    images = draw(checkpoint, [sample.prompt for sample in samples], settings)
    if grid is not None:
        save_grid(images[:96], grid)
    hits: dict[str, list[bool]] = defaultdict(list)
    for sample, image in zip(samples, images, strict=True):
        hits[sample.metadata["tag"]].append(satisfies(sample.metadata, image))
    scores = {skill: float(np.mean(hits[skill])) for skill in SKILLS}
    return {**scores, "overall": float(np.mean(list(scores.values())))}


def save_grid(images: Sequence[NDArray[np.uint8]], path: Path, columns: int = 12) -> None:
    """Write images as one PNG, row by row."""
    from PIL import Image

    rows = [list(images[i : i + columns]) for i in range(0, len(images), columns)]
    rows[-1] += [np.zeros_like(images[0])] * (columns - len(rows[-1]))
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _answer(
    checkpoint: Checkpoint, questions: Sequence[str], images: Sequence[NDArray[np.uint8]]
) -> list[str]:
    from PIL import Image

    from model_adapters.cheers import Decoding, generate_text

    answers = []
    for start in range(0, len(questions), _BATCH):
        chosen = slice(start, start + _BATCH)
        prompts = [
            checkpoint.processor.answer_prompt(question, [Image.fromarray(image)])
            for question, image in zip(questions[chosen], images[chosen], strict=True)
        ]
        results = generate_text(checkpoint.model, prompts, Decoding(max_new_tokens=8))
        answers += [checkpoint.processor.decode(result.ids).strip() for result in results]
    return answers


def evaluate_mcq(checkpoint: Checkpoint, count: int) -> dict[str, float]:
    """Share of right answers per category, and over all, by MMBench's exact matching."""
    samples = [mcq_sample(_SEED, "test", index) for index in range(count)]
    questions = [format_mcq(sample.question, sample.options) for sample in samples]
    said = _answer(checkpoint, questions, [render(sample.scene) for sample in samples])
    hits: dict[str, list[bool]] = defaultdict(list)
    for sample, answer in zip(samples, said, strict=True):
        options = dict(zip(LETTERS, sample.options, strict=True))
        right = can_infer(answer, options) == LETTERS[sample.answer]
        hits[sample.category].append(right)
        hits["all"].append(right)
    return {name: float(np.mean(values)) for name, values in hits.items()}


def evaluate_words(checkpoint: Checkpoint, count: int) -> dict[str, float]:
    """Exact reading of held-out words, and the share of right characters."""
    samples = [word_sample(_SEED, "test", index) for index in range(count)]
    images = [render(sample.scene) for sample in samples]
    said = _answer(checkpoint, [WORD_QUESTION] * count, images)
    pairs = [(a, s.answer) for a, s in zip(said, samples, strict=True)]
    letters = [x == y for a, b in pairs for x, y in zip(a.ljust(3)[:3], b, strict=True)]
    return {
        "exact": float(np.mean([a == b for a, b in pairs])),
        "characters": float(np.mean(letters)),
    }


def evaluate_easy_vqa(checkpoint: Checkpoint, split: str, count: int) -> dict[str, float]:
    """Accuracy on the first `count` questions of a split of easy-VQA."""
    import easy_vqa

    from recipes.nano.images import easy_vqa_images

    load = easy_vqa.get_train_questions if split == "train" else easy_vqa.get_test_questions
    questions, answers, numbers = (part[:count] for part in load())
    images = easy_vqa_images(split)
    said = _answer(checkpoint, questions, [images[number] for number in numbers])
    return {"accuracy": float(np.mean([a == b for a, b in zip(said, answers, strict=True)]))}


def evaluate_edits(
    checkpoint: Checkpoint, settings: ImageSettings, count: int, grid: Path | None = None
) -> dict[str, float]:
    """Share of edits after which the image holds the target's classes and colours, per kind."""
    from PIL import Image

    samples = [edit_sample(_SEED, "test", index) for index in range(count)]
    sources = [render(sample.source) for sample in samples]
    texts = [sample.instruction for sample in samples]
    images = draw(checkpoint, texts, settings, [Image.fromarray(source) for source in sources])
    if grid is not None:
        save_grid([x for pair in zip(sources, images, strict=True) for x in pair][:96], grid)
    hits: dict[str, list[bool]] = defaultdict(list)
    for sample, image in zip(samples, images, strict=True):
        want = sorted((item.shape, item.color) for item in sample.target.objects)
        have = sorted((d.label, d.color) for d in detect(image) if d.score > _THRESHOLD)
        hits[sample.kind].append(want == have)
    return {kind: float(np.mean(values)) for kind, values in hits.items()}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--count", default=120, show_default=True, help="Samples of each kind.")
@click.option("--steps", default=25, show_default=True, help="Sampler steps.")
@click.option("--cfg", default=3.0, show_default=True, help="Guidance scale.")
@click.option("--alpha", default=1.0, show_default=True, help="Schedule shift.")
@click.option("--grid", type=click.Path(path_type=Path), help="Write a picture of the samples.")
@click.option("--only", multiple=True, help="Parts: generation, no-hfi, edit, mcq, word, easy-vqa.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(
    *,
    folder: Path,
    count: int,
    steps: int,
    cfg: float,
    alpha: float,
    grid: Path | None,
    only: tuple[str, ...],
    threads: int,
) -> None:
    """Print quick scores of the checkpoint in FOLDER."""
    import msgspec
    import torch

    from model_adapters.cheers import Ablations, ImageSettings, from_pretrained

    torch.set_num_threads(threads)
    checkpoint = from_pretrained(folder, "float32")
    settings = ImageSettings(steps=steps, cfg_scale=cfg, alpha=alpha)
    blind = msgspec.structs.replace(settings, ablations=Ablations(inject=False))
    edits = grid.with_stem(f"{grid.stem}-edit") if grid else None
    parts = {
        "generation": lambda: evaluate_generation(checkpoint, settings, count, grid),
        "no-hfi": lambda: evaluate_generation(checkpoint, blind, count),
        "edit": lambda: evaluate_edits(checkpoint, settings, count, edits),
        "mcq": lambda: evaluate_mcq(checkpoint, count),
        "word": lambda: evaluate_words(checkpoint, count),
        "easy-vqa": lambda: evaluate_easy_vqa(checkpoint, "test", count),
    }
    for name in only or tuple(parts):
        scores = parts[name]()
        click.echo(f"{name}: " + ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))


if __name__ == "__main__":
    main()
