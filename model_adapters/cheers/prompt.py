"""What the model reads for one sample: ids and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from torch import Tensor

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.sequence import LayoutError, count_images


class PromptForm(StrEnum):
    """What stands in front of a prompt that has no image."""

    DUMMY = "dummy"
    """The visual tokens of a random-noise image, seeded per sample: the official form."""
    NO_DUMMY = "no-dummy"
    """Nothing."""
    FIXED_DUMMY = "fixed-dummy"
    """The visual tokens of one noise image, the same for every sample."""


class Prompt(NamedTuple):
    """One sample's prompt."""

    ids: Sequence[int]
    """Ids, with the negative image ids as placeholders."""
    pixels: Sequence[Tensor] = ()
    """Images (3, S, S) in [0, 1], float32, in the order of their placeholders."""
    dummy: Tensor | None = None
    """A dummy image (3, S, S) whose visual tokens stand in front of the ids."""

    @property
    def images(self) -> tuple[Tensor, ...]:
        """All images in the order of their visual tokens, the dummy first."""
        return (*([self.dummy] if self.dummy is not None else []), *self.pixels)


def check_prompts(prompts: Sequence[Prompt], config: CheersConfig) -> None:
    """Refuse prompts whose images do not fit their ids or the model.

    Raises:
        LayoutError: names the row.
    """
    side = config.image_size
    for row, prompt in enumerate(prompts):
        placed = count_images(prompt.ids, config.special_token_ids)
        if placed != len(prompt.pixels):
            raise LayoutError(
                f"row {row}: the ids place {placed} images but {len(prompt.pixels)} came"
            )
        for image in prompt.images:
            if tuple(image.shape) != (3, side, side):
                raise LayoutError(
                    f"row {row}: an image has shape {tuple(image.shape)}, not (3, {side}, {side}); "
                    f"prepare it with the processor"
                )
