"""Where detail is injected: the high-frequency gate, step by step, beside the image.

`python -m model_adapters.cheers.heat_maps CHECKPOINT "A PROMPT"` writes one picture: the image
first, then the gate's map at steps spread evenly from noise to image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from model_adapters.cheers.loading import Checkpoint
    from model_adapters.cheers.sampler import ImageSettings

__all__ = ["gate_tiles", "heat_strip", "main", "strip"]

_COLD, _WARM, _HOT = "#0b1026", "#b5367a", "#fcfdbf"
_GAP = 4


def heat_strip(
    checkpoint: Checkpoint, prompt: str, settings: ImageSettings, *, seed: int = 0, shown: int = 8
) -> Image.Image:
    """Draw one image and put the gate's maps beside it.

    Colours span the lowest and the highest value of all steps, so maps of one picture compare.

    Args:
        checkpoint: Model and processor.
        prompt: What to draw.
        settings: How to draw.
        seed: Seed of noise and dummy image.
        shown: Steps that are shown, spread evenly; all of them where there are fewer.

    Raises:
        ValueError: `shown` isn't positive.
    """
    import msgspec

    from model_adapters.cheers.generation import generate_image, image_noise
    from model_adapters.cheers.images import to_image

    if shown < 1:
        raise ValueError(f"shown={shown}: show at least one step")
    asked = checkpoint.processor.image_prompt(prompt, seed=seed)
    noise = image_noise(checkpoint.model.config, seed)
    kept = msgspec.structs.replace(settings, heat_maps=True)
    result = generate_image(checkpoint.model, [asked], [noise], kept)[0]
    assert result.heat_maps is not None  # noqa: S101 -- asked for
    image = to_image(result.image)
    return strip([image, *gate_tiles(result.heat_maps, image.size, shown)])


def gate_tiles(maps: Tensor, size: tuple[int, int], shown: int) -> list[Image.Image]:
    """Pictures of the gate at evenly spread steps, first and last among them.

    Args:
        maps: The gate of every step (steps, h, w).
        size: Width and height of each picture.
        shown: Steps that are shown at most.
    """
    return [_tile(one, size) for one in _chosen(maps, shown)]


def strip(tiles: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size beside one another."""
    from PIL import Image as Images

    width, height = tiles[0].size
    whole = Images.new("RGB", ((width + _GAP) * len(tiles) - _GAP, height), "white")
    for column, tile in enumerate(tiles):
        whole.paste(tile, ((width + _GAP) * column, 0))
    return whole


def _chosen(maps: Tensor, shown: int) -> Tensor:
    """Maps (n, h, w) of evenly spread steps, first and last among them, scaled to [0, 1]."""
    import torch

    count = min(shown, len(maps))
    steps = torch.linspace(0, len(maps) - 1, count).round().long()
    low, high = maps.min(), maps.max()
    return ((maps - low) / (high - low).clamp_min(1e-12))[steps]


def _tile(values: Tensor, size: tuple[int, int]) -> Image.Image:
    from PIL import Image as Images
    from PIL import ImageOps

    grey = Images.fromarray(values.mul(255).round().byte().numpy())
    large = grey.resize(size, Images.Resampling.NEAREST)
    return ImageOps.colorize(large, black=_COLD, mid=_WARM, white=_HOT)


@click.command()
@click.argument("checkpoint")
@click.argument("prompt")
@click.option("--out", type=click.Path(path_type=Path), default=Path("heat-maps.png"))
@click.option("--steps", type=click.IntRange(1), default=80, show_default=True)
@click.option("--cfg-scale", type=float, default=9.5, show_default=True)
@click.option("--alpha", type=float, default=0.5, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--shown", type=click.IntRange(1), default=8, show_default=True, help="Maps to show.")
def main(
    *,
    checkpoint: str,
    prompt: str,
    out: Path,
    steps: int,
    cfg_scale: float,
    alpha: float,
    seed: int,
    shown: int,
) -> None:
    """Draw PROMPT with CHECKPOINT and show where the high-frequency gate opens."""
    from model_adapters.cheers.loading import from_pretrained
    from model_adapters.cheers.sampler import ImageSettings

    settings = ImageSettings(steps=steps, cfg_scale=cfg_scale, alpha=alpha)
    heat_strip(from_pretrained(checkpoint), prompt, settings, seed=seed, shown=shown).save(out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
