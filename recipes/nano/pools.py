"""Everything the joint stages draw from, with the VAE's work done once and kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_adapters.cheers.images import dummy_pixels
from model_adapters.cheers.vae import VAE, LatentDecoder
from recipes.nano.architecture import nano_config
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.images import easy_vqa_images, to_pixels
from recipes.nano.settings import Settings
from tasks.shapes.world import (
    Scene,
    edit_sample,
    generation_sample,
    mcq_sample,
    render,
    word_sample,
)

__all__ = ["PoolSizes", "Pools", "build_pools", "vae_images"]

_BATCH = 128
_EASY_SHAPES = frozenset({"circle", "rectangle", "triangle"})


class PoolSizes(NamedTuple):
    """How many samples each pool holds."""

    generation: int
    """Text-to-image scenes."""
    questions: int
    """Scenes with questions."""
    words: int
    """Scenes with a word."""
    edits: int
    """Pairs of scenes."""
    easy_vqa: int
    """Images of easy-VQA's training split."""
    dummies: int
    """Random-noise images."""

    @classmethod
    def of(cls, settings: Settings) -> PoolSizes:
        """Sizes for a run, in proportion to `settings.scenes`."""
        n = settings.scenes
        return cls(n, n // 2, n // 2, n // 6, min(4000, n), max(4, n // 200))


class Pools(NamedTuple):
    """Samples of the training split, with cached images."""

    latents: Tensor
    """Latents of text-to-image scenes (N, C, h, w), float16."""
    prompts: dict[str, dict[str, list[int]]]
    """Skill -> prompt -> indices into `latents`."""
    questions: list[Scene]
    """Scenes to ask about."""
    question_pixels: Tensor
    """Their decoded pixels (N, 3, S, S), float16."""
    words: list[str]
    """Words to read."""
    word_pixels: Tensor
    """Their decoded pixels, float16."""
    instructions: list[str]
    """Edit instructions."""
    source_pixels: Tensor
    """Decoded pixels of the sources, float16."""
    target_latents: Tensor
    """Latents of the targets, float16."""
    scenes: dict[str, list[Scene]]
    """The scenes behind `latents` (generation), `questions` and `words`."""
    easy_labels: list[tuple[str, str]]
    """Shape and colour of each easy-VQA image, by the answers to its questions."""
    easy: list[list[tuple[str, str]]]
    """(question, answer) pairs of each easy-VQA image."""
    easy_pixels: Tensor
    """Their decoded pixels, float16."""
    dummy_pixels: Tensor
    """Decoded pixels of random-noise images, float16."""


def vae_images(settings: Settings) -> NDArray[np.uint8]:
    """The VAE's training images: scenes, words, question scenes and easy-VQA's train split."""
    sizes, seed = PoolSizes.of(settings), settings.seed
    scenes = [generation_sample(seed, "train", i).scene for i in range(sizes.generation)]
    scenes += [word_sample(seed, "train", i).scene for i in range(sizes.words)]
    scenes += [mcq_sample(seed, "train", i).scene for i in range(sizes.questions)]
    return np.concatenate([_render(scenes), easy_vqa_images("train", sizes.easy_vqa)])


def build_pools(settings: Settings, vae: VAE, projector: LatentDecoder, folder: Path) -> Pools:
    """Build the pools; the networks' outputs are kept in `folder` and read back by a later run.

    Args:
        settings: The run.
        vae: The finished VAE, which encodes.
        projector: The finished decoder projector, which shows latents to the tower.
        folder: Where the cache goes.
    """
    sizes, seed = PoolSizes.of(settings), settings.seed
    made = [generation_sample(seed, "train", i) for i in range(sizes.generation)]
    asked = [mcq_sample(seed, "train", i).scene for i in range(sizes.questions)]
    words = [word_sample(seed, "train", i) for i in range(sizes.words)]
    edits = [edit_sample(seed, "train", i) for i in range(sizes.edits)]

    def compute() -> dict[str, Tensor]:

        def restore(images: NDArray[np.uint8]) -> Tensor:
            return _restore(vae, projector, to_pixels(images))

        side = nano_config().image_size
        noise = torch.stack([dummy_pixels(side, number) for number in range(sizes.dummies)])
        return {
            "latents": _encode(vae, _render([sample.scene for sample in made])),
            "question_pixels": restore(_render(asked)),
            "word_pixels": restore(_render([sample.scene for sample in words])),
            "source_pixels": restore(_render([sample.source for sample in edits])),
            "target_latents": _encode(vae, _render([sample.target for sample in edits])),
            "easy_pixels": restore(easy_vqa_images("train", sizes.easy_vqa)),
            "dummy_pixels": _restore(vae, projector, noise),
        }

    prompts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, sample in enumerate(made):
        prompts[sample.metadata["tag"]][sample.prompt].append(index)
    pairs = _easy_vqa_pairs(sizes.easy_vqa)
    return Pools(
        scenes={
            "generation": [sample.scene for sample in made],
            "questions": asked,
            "words": [sample.scene for sample in words],
        },
        easy_labels=[_shape_and_color(known) for known in pairs],
        prompts={skill: dict(rows) for skill, rows in prompts.items()},
        questions=asked,
        words=[sample.answer for sample in words],
        instructions=[sample.instruction for sample in edits],
        easy=pairs,
        **_cached(folder / "pools.pt", compute),
    )


def _cached(path: Path, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    if not path.exists():
        save_state(path, compute())
    return load_state(path)


def _render(scenes: list[Scene]) -> NDArray[np.uint8]:
    return np.stack([render(scene) for scene in scenes])


@torch.no_grad()
def _encode(vae: VAE, images: NDArray[np.uint8]) -> Tensor:
    chunks = range(0, len(images), _BATCH)
    return torch.cat([vae.encode(to_pixels(images[i : i + _BATCH])).half() for i in chunks])


@torch.no_grad()
def _restore(vae: VAE, projector: LatentDecoder, pixels: Tensor) -> Tensor:
    """What the tower sees of images: encoded, and decoded by the projector."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = [projector(vae.encode(part)) for part in torch.split(pixels, _BATCH)]
    return torch.cat([part.half() for part in parts])


def _easy_vqa_pairs(count: int) -> list[list[tuple[str, str]]]:
    import easy_vqa

    pairs: list[list[tuple[str, str]]] = [[] for _ in range(count)]
    for question, answer, image in zip(*easy_vqa.get_train_questions(), strict=True):
        if image < count:
            pairs[image].append((question, answer))
    return pairs


def _shape_and_color(pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """What the answers to an image's questions say about its one shape."""
    said = {answer for _, answer in pairs}
    shape = next((answer for answer in sorted(said) if answer in _EASY_SHAPES), "unknown")
    color = said - _EASY_SHAPES - {"yes", "no"}
    return shape, next(iter(sorted(color)), "unknown")
