"""`python -m tasks.judges.mask2former.convert CHECKPOINT FOLDER`: mmdet's weights for transformers.

Reads the official .pth without running anything in it, and writes `model.safetensors` and
`config.json`, which the `transformers` detector loads.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert", "main"]


def convert(state: dict[str, Tensor], folder: Path, config: Any = None) -> None:
    """Write a state dict of mmdet's Mask2Former as a checkpoint of transformers.

    Args:
        state: Tensors by mmdet's names.
        folder: Where to write; made if missing.
        config: transformers' configuration; by default Swin-S on COCO.

    Raises:
        CheckpointError: Names or shapes don't fit.
    """
    from transformers import Mask2FormerForUniversalSegmentation

    from tasks.judges.mask2former.names import convert_state_dict, pad_target
    from tasks.judges.mask2former.transformers_backend import swin_s_config

    model = Mask2FormerForUniversalSegmentation(config or swin_s_config())
    model.load_state_dict(pad_target(convert_state_dict(state), model.state_dict()))
    model.save_pretrained(folder)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(checkpoint: Path, folder: Path) -> None:
    """Convert mmdet's CHECKPOINT into FOLDER for the transformers detector."""
    from tasks.judges.mask2former.checkpoint import read_checkpoint

    convert(read_checkpoint(checkpoint), folder)
    click.echo(f"wrote {folder}")


if __name__ == "__main__":
    main()
