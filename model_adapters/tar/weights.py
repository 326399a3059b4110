"""Reading a tokenizer's safetensors strictly: every tensor has a place, every place a tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from harness.errors import CheckpointError
from model_adapters.tensors import some

__all__ = ["count", "fill", "need", "read_tensors"]

M = TypeVar("M", bound=nn.Module)
"""A module."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, by name.

    Raises:
        CheckpointError: There is none, it's damaged, or a pickle.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"there is no {path}", "check the path")
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path} isn't safetensors, and pickles aren't read",
            "convert it once: python -m model_adapters.tar.convert FOLDER",
        )
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} can't be read as safetensors ({error}); it may be truncated",
            "copy it again and compare sizes or sha256",
        ) from error
    return tensors


def fill(module: M, tensors: Mapping[str, Tensor], path: Path, unused: str = "") -> M:
    """Give a module of the meta device its tensors, as float32.

    Args:
        module: Names and shapes.
        tensors: By their released names.
        path: Where they come from, for errors.
        unused: Pattern of names that the released file holds and nothing here computes with.

    Raises:
        CheckpointError: A tensor is missing, extra or misshapen.
    """
    wanted = module.state_dict()
    extra = [n for n in tensors if n not in wanted and not (unused and re.match(unused, n))]
    missing = sorted(wanted.keys() - tensors.keys())
    if missing:
        raise _unfit(path, f"lacks {some(missing)}")
    if extra:
        raise _unfit(path, f"holds {some(sorted(extra))}, which the model has no place for")
    for name, place in wanted.items():
        if tensors[name].shape != place.shape:
            have, want = tuple(tensors[name].shape), tuple(place.shape)
            raise _unfit(path, f"has {name} of shape {have}, not {want}")
    module.load_state_dict({name: tensors[name].float() for name in wanted}, assign=True)
    return module.requires_grad_(requires_grad=False).eval()


def count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    r"""How many numbers follow each other from 0 in names that match `pattern`, its first group.

    Example:
        >>> import torch
        >>> layers = {f"layers.{i}.w": torch.zeros(1) for i in range(2)}
        >>> count(layers, r"layers\.(\d+)")
        2
    """
    found = (re.match(pattern, name) for name in tensors)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def need(tensors: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    """A tensor whose shape gives sizes.

    Raises:
        CheckpointError: It's missing.
    """
    if name not in tensors:
        raise _unfit(path, f"lacks tensor {name}")
    return tensors[name]


def _unfit(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path} {what}", "use the weights and the config.json of one released file"
    )
