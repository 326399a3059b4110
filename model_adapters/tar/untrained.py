"""tar-tiny-untrained: the architecture of Tar with few, random weights, as a control.

Its checkpoint is written as the released one is laid out, and read as that one is read.
Importing this module imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.records import ModelCard
from model_adapters.tar.adapter import DRAWS, UNDERSTANDS, TarAdapter

__all__ = ["TarTinyUntrained"]


class TarTinyUntrained(TarAdapter):
    """Control: Tar with half a million seeded random weights; draws 64x64 pixels.

    Args:
        weights_seed: Seed of the weights.
        device: As `TarAdapter`'s.
        preset: As `TarAdapter`'s.
        read_scale: 0, 1 or 2: 81, 16 or 9 tokens for a picture in a question.
        draw_scale: The same for a drawn picture.
    """

    card = ModelCard(
        name="tar-tiny-untrained",
        summary="Control: the architecture of Tar, small, with random weights.",
        capabilities=UNDERSTANDS | DRAWS,
        licence="Apache-2.0",
        source="model_adapters/tar of this project",
        control=True,
    )

    def __init__(
        self,
        *,
        weights_seed: int = 0,
        device: str = "auto",
        preset: str = "benchmark",
        read_scale: int = 0,
        draw_scale: int = 0,
    ) -> None:
        from model_adapters.tar.fresh import SIDE, save_fresh

        with TemporaryDirectory(prefix="tar-tiny-") as folder:
            save_fresh(Path(folder), weights_seed)
            super().__init__(
                folder,
                dtype="float32",
                device=device,
                preset=preset,
                resolution=SIDE,
                read_scale=read_scale,
                draw_scale=draw_scale,
            )
