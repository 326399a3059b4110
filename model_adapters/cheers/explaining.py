"""How an image came about: the gate's heat maps, and what the model expected at each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import torch
from torch import Tensor

from model_adapters.cheers.generation import ImageResult, edit_image, generate_image, image_noise
from model_adapters.cheers.heat_maps import gate_tiles, strip
from model_adapters.cheers.images import to_image
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings, Step

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Shown", "explain_image"]

SHOWN = 8
"""Steps of each strip."""


class Shown(NamedTuple):
    """An image with its strips."""

    result: ImageResult
    """The image."""

    pictures: Mapping[str, Image]
    """Strips by name: `heat maps` and `denoising`, from the first step to the last."""


def explain_image(
    model: CheersModel, prompt: Prompt, seed: int, settings: ImageSettings, *, editing: bool
) -> Shown:
    """Draw or edit one image, and keep what was seen on the way.

    The denoising strip shows the image that each step points at, `z_t + (1 - t) * v`, decoded:
    the end of the straight path that flow matching assumes (Lipman et al., 2023). Its last tile is
    the image itself, because the official sampler's last step goes beyond t = 1.

    Args:
        model: The model.
        prompt: Ending in `<im_start>`; to edit, with its source image.
        seed: Seed of the initial noise.
        settings: How to draw.
        editing: Whether the path starts at the source image.

    Raises:
        ContextLengthError: The prompt and its image don't fit the context.
    """
    kept = msgspec.structs.replace(settings, heat_maps=True)
    watch = _Expected(settings)
    act = edit_image if editing else generate_image
    result = act(model, [prompt], [image_noise(model.config, seed)], kept, callback=watch)[0]
    assert result.heat_maps is not None  # noqa: S101 -- asked for
    size = to_image(result.image).size
    expected = _decoded(model, watch.latents[:-1])
    pictures = {
        "heat maps": strip(gate_tiles(result.heat_maps, size, SHOWN)),
        "denoising": strip([to_image(image) for image in (*expected, result.image)]),
    }
    return Shown(result, pictures)


class _Expected:
    """Keeps the latents (1, C, h, w) that evenly spread steps point at."""

    def __init__(self, settings: ImageSettings) -> None:
        self._scale = settings.cfg_scale
        self.latents: list[Tensor] = []

    def __call__(self, step: Step) -> None:
        count = min(SHOWN, step.total)
        spread = torch.linspace(0, step.total - 1, count).round().long().tolist()
        if step.number in spread:
            self.latents.append(step.latents + (1 - step.t) * step.guided(self._scale))


@torch.no_grad()
def _decoded(model: CheersModel, latents: list[Tensor]) -> list[Tensor]:
    """Images (3, H, W) in [0, 1] on the CPU, one decoding after another."""
    vae = model.model.vae_model
    return [vae.decode(latent)[0].float().clamp(0.0, 1.0).cpu() for latent in latents]
