"""What checkpoints' files must hold: safetensors alone, a tensor for each place, and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError

__all__ = ["check_tensors", "demand_safetensors", "some"]

_PICKLES = ("*.bin", "*.ckpt", "*.pt", "*.pth", "*.msgpack")
_SHOWN = 5
"""How many names an error lists before it only counts."""


def demand_safetensors(folder: Path) -> None:
    """Refuse a folder without weights as safetensors.

    Raises:
        CheckpointError: It is one; the message names the first pickle in their place.
    """
    if any(folder.glob("*.safetensors")):
        return
    others = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    has = f"; {others[0]} is a pickle, which can run code and isn't read" if others else ""
    raise CheckpointError(
        f"{folder} holds no weights as safetensors{has}",
        "take a revision with *.safetensors, or convert the weights",
    )


def check_tensors(folder: Path, found: Mapping[str, Any], *, extra_tensors: bool) -> None:
    """Hold the tensors of a folder to the model that its config.json describes.

    Args:
        folder: Where they come from.
        found: What `from_pretrained` tells with `output_loading_info`: `missing_keys`,
            `unexpected_keys`, `mismatched_keys`.
        extra_tensors: Whether tensors that the model has no place for are ignored.

    Raises:
        CheckpointError: A tensor is misshapen, missing or superfluous; the message names it.
    """
    missing, extra = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
    for name, stored, wanted in sorted(found["mismatched_keys"]):
        raise CheckpointError(
            f"{folder}: tensor {name} has shape {tuple(stored)}, but config.json asks for "
            f"{tuple(wanted)}",
            "use the weights and the config.json of one checkpoint",
        )
    if missing:
        raise CheckpointError(
            f"{folder}: the weights lack {some(missing)}, which would stay random",
            "use the weights and the config.json of one checkpoint",
        )
    if extra and not extra_tensors:
        raise CheckpointError(
            f"{folder}: the weights hold {some(extra)}, which the model has no place for",
            "if these aren't needed, say so: --model-arg extra_tensors=ignore",
        )


def some(names: Collection[str]) -> str:
    """A few names of tensors, and how many more there are.

    Example:
        >>> some(["norm.weight"])
        'tensor norm.weight'
        >>> some("abcdefg")
        'tensors a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    noun = "tensor" if len(names) == 1 else "tensors"
    return f"{noun} {', '.join(list(names)[:_SHOWN])}{more}"
