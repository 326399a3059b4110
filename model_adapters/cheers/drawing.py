"""Drawing a batch, with the time to the end of its first step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

from model_adapters.cheers.generation import ImageResult, edit_image, generate_image, image_noise
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings, Step

__all__ = ["Drawn", "draw_batch"]


class Drawn(NamedTuple):
    """What came of a batch."""

    results: list[ImageResult]
    """One per sample."""

    nfe: int
    """Denoiser evaluations per sample, each guidance branch counted."""

    first_step: float
    """Seconds until the first step's velocity was there."""


def draw_batch(
    model: CheersModel,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    settings: ImageSettings,
    *,
    editing: bool,
) -> Drawn:
    """Draw or edit images.

    Args:
        model: The model.
        prompts: One per sample, each ending in `<im_start>`; to edit, with its source image.
        seeds: Seed of the initial noise per sample.
        settings: Shared by all samples.
        editing: Whether the path starts at the source image.

    Raises:
        ContextLengthError: A prompt and its image don't fit the context.
    """
    noise = [image_noise(model.config, seed) for seed in seeds]
    watch = _FirstStep(model)
    act = edit_image if editing else generate_image
    results = act(model, prompts, noise, settings, callback=watch)
    return Drawn(results, settings.nfe(editing=editing), watch.seconds)


class _FirstStep:
    """Notes when the first velocity was there."""

    def __init__(self, model: CheersModel) -> None:
        self._device = model.device
        self._start = time.perf_counter()
        self.seconds = 0.0

    def __call__(self, step: Step) -> None:
        if step.number == 0:
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            self.seconds = time.perf_counter() - self._start
