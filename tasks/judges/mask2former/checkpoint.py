"""Reading mmdet's .pth files without running what they hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_checkpoint"]


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint written by mmengine or mmcv.

    torch's weights-only unpickler builds tensors and plain containers, and beside them only what a
    training history is made of (`_allowed`); anything else in the file is refused.

    Args:
        path: A .pth file, or .safetensors.

    Raises:
        CheckpointError: The file is missing, damaged, holds something else, or has no weights.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint at {path}", "check the path")
    try:
        if path.suffix == ".safetensors":
            stored: Any = load_file(path)
        else:
            with torch.serialization.safe_globals(_allowed()):
                stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} can't be read safely: {error}",
            "use the published checkpoint; a file that needs other classes may run code",
        ) from error
    state = stored.get("state_dict", stored) if isinstance(stored, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no state dict", "give a checkpoint of mmdet")
    return dict(state)


class _History:
    """Stands for mmengine's `HistoryBuffer`; nothing reads it."""


def _statistic(_owner: object, name: str) -> str:
    """Stands for `getattr`, which histories are stored with: it looks nothing up."""
    return name


def _allowed() -> list[Any]:
    """What mmengine's checkpoints hold besides tensors: histories of scalars as numpy arrays.

    Files name `getattr` and mmengine's class; both are given harmless stand-ins, so that neither a
    real look-up nor code of mmengine runs.
    """
    import numpy as np
    from numpy._core import multiarray

    numbers = ("float64", "float32", "int64", "int32", "bool")
    rebuild: Any = vars(multiarray)["_reconstruct"]
    scalar: Any = vars(multiarray)["scalar"]
    return [
        (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
        (_statistic, "builtins.getattr"),
        *(np.ndarray, np.dtype),
        *(type(np.dtype(name)) for name in numbers),
        *((rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    ]
