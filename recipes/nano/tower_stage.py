"""Stage 2: teach the tower to see, as SigLIP2 was before CHEERS was built around it.

Every patch tells what stands there (background, a shape or a letter) and in which colour, for
clean images and for decoded noisy latents; the pooling head names shape and colour of easy-VQA's
images. The classifiers on top are thrown away.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_adapters.cheers.model import CheersModel
from recipes.nano.checkpoint import load_state, save_state
from recipes.nano.journal import Journal
from recipes.nano.pools import Pools
from recipes.nano.settings import Settings
from recipes.nano.streams import step_generator
from recipes.nano.vae_stage import cosine
from tasks.shapes.world import COLORS, SHAPES, WORD_LETTERS, Scene
from tasks.shapes.world.raster import CELL_WIDTH

__all__ = ["patch_labels", "train_tower"]

_CLASSES = ("", *SHAPES, *WORD_LETTERS)
_COLORS = ("", *COLORS)
_LETTER_HALF_HEIGHT = 9.0
_WARMUP = 30


class _Draw(NamedTuple):
    """Images of one step and what their patches show."""

    pixels: Tensor
    """Pixels (B, 3, S, S); the easy-VQA images come last."""
    labels: Tensor
    """Class and colour of each patch (A, 2, P) of the others."""
    whole: Tensor
    """Index of shape and colour (E, 2) of the easy-VQA images."""


def patch_labels(scenes: list[Scene], grid: int, patch: int) -> Tensor:
    """Class and colour at the centre of each patch, int64 (N, 2, grid * grid); 0 is background.

    Example:
        >>> patch_labels([Scene()], 8, 8).shape
        torch.Size([1, 2, 64])
    """
    centers = (torch.arange(grid) + 0.5) * patch
    labels = torch.zeros(len(scenes), 2, grid, grid, dtype=torch.int64)
    for scene, label in zip(scenes, labels, strict=True):
        for (x0, y0, x1, y1), name, color in _regions(scene):
            inside_x, inside_y = (centers > x0) & (centers < x1), (centers > y0) & (centers < y1)
            inside = inside_y[:, None] & inside_x[None]
            label[0][inside], label[1][inside] = _CLASSES.index(name), _COLORS.index(color)
    return labels.flatten(2)


def _regions(scene: Scene) -> list[tuple[tuple[float, float, float, float], str, str]]:
    """Boxes of shapes and letters with their class and colour."""
    found = [(item.box, item.shape, item.color) for item in scene.objects]
    if scene.word is not None:
        x, y = scene.word.center
        left = x - CELL_WIDTH * len(scene.word.text) / 2
        for number, letter in enumerate(scene.word.text):
            start = left + number * CELL_WIDTH
            box = (start, y - _LETTER_HALF_HEIGHT, start + CELL_WIDTH, y + _LETTER_HALF_HEIGHT)
            found.append((box, letter, scene.word.color))
    return found


def train_tower(settings: Settings, model: CheersModel, pools: Pools, folder: Path) -> None:
    """Train the model's tower in place, or read it back. It begins again when it was stopped.

    Args:
        settings: The run.
        model: The model whose `vision_representation` is trained.
        pools: Images and their scenes.
        folder: Where checkpoint and log go.
    """
    path, tower = folder / "tower.pt", model.model.vision_representation
    if path.exists():
        tower.load_state_dict(load_state(path)["model"])
        return
    trainer = _TowerTrainer(settings, model, pools)
    journal = Journal(folder / "tower.jsonl", 0)
    for step in range(settings.tower_steps):
        journal.write(step, stage="tower", **trainer.step(step))
    save_state(path, {"model": tower.state_dict()})


class _TowerTrainer:
    """The tower, its classifiers and their optimiser."""

    def __init__(self, settings: Settings, model: CheersModel, pools: Pools) -> None:
        self.settings, self.model, self.pools = settings, model, pools
        vision = model.config.vision_representation_config
        self.tower = model.model.vision_representation
        self.labels = {
            name: patch_labels(scenes, vision.grid, vision.patch_size)
            for name, scenes in pools.scenes.items()
        }
        self.answers = sorted({a for pair in pools.easy_labels for a in pair})
        torch.manual_seed(settings.seed)
        width = vision.hidden_size
        self.patch_head = nn.Linear(width, len(_CLASSES) + len(_COLORS))
        self.whole_head = nn.Linear(width, len(self.answers))
        self.parameters = [
            *self.tower.parameters(),
            *self.patch_head.parameters(),
            *self.whole_head.parameters(),
        ]
        for parameter in self.tower.head.parameters():
            parameter.requires_grad_(requires_grad=True)
        self.optimiser = torch.optim.AdamW(self.parameters, lr=0.0, weight_decay=0.0, fused=True)

    def step(self, step: int) -> dict[str, float]:
        """One step; what the log says about it."""
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = cosine(step, settings.tower_steps, settings.tower_lr, _WARMUP)
        draw = self._draw(step_generator(settings.seed, "tower", step))
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.tower(draw.pixels).hidden
            loss, right = self._patch_loss(hidden[: len(draw.labels)], draw.labels)
            pooled = self.whole_head(self.tower.pool(hidden[len(draw.labels) :])).float()
            whole = -torch.log_softmax(pooled, -1).gather(1, draw.whole).mean()
        self.optimiser.zero_grad(set_to_none=True)
        (loss + whole).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, settings.clip)
        self.optimiser.step()
        return {"loss": float(loss.detach()), "whole": float(whole.detach()), "right": right}

    def _patch_loss(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        """Cross-entropy of class and colour, and the share of right classes off background."""
        scores = self.patch_head(hidden).float().transpose(1, 2)
        kinds, colors = scores.split([len(_CLASSES), len(_COLORS)], dim=1)
        loss = F.cross_entropy(kinds, labels[:, 0]) + F.cross_entropy(colors, labels[:, 1])
        shown = labels[:, 0] > 0
        return loss, float((kinds.argmax(1) == labels[:, 0])[shown].float().mean())

    def _draw(self, rng: torch.Generator) -> _Draw:
        pools, count = self.pools, self.settings.tower_batch
        pixels, labels = [], []
        for name, cached in (("questions", pools.question_pixels), ("words", pools.word_pixels)):
            rows = torch.randint(len(cached), (count,), generator=rng)
            pixels.append(cached[rows].float())
            labels.append(self.labels[name][rows])
        rows = torch.randint(len(pools.latents), (count,), generator=rng)
        clean = pools.latents[rows].float()
        noise, t = torch.randn(clean.shape, generator=rng), torch.rand(count, generator=rng)
        times = t.view(-1, 1, 1, 1)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            shown = self.model.model.vae_decoder_projector(times * clean + (1 - times) * noise)
        pixels.append(shown.float())
        labels.append(self.labels["generation"][rows])
        rows = torch.randint(len(pools.easy_pixels), (count,), generator=rng)
        pixels.append(pools.easy_pixels[rows].float())
        names = [[self.answers.index(a) for a in pools.easy_labels[i]] for i in rows.tolist()]
        return _Draw(torch.cat(pixels), torch.cat(labels), torch.tensor(names))
