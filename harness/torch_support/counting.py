"""Parameters of a model, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["REST", "count_parameters", "parts_of"]

REST = "other"
"""Name of what is in no part."""


def count_parameters(model: nn.Module, parts: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of parameters of some parts of a model, and of the rest.

    A tensor that two parts share, such as tied embeddings, counts once, for the first of them; the
    sum is what the model has.

    Args:
        model: The whole model.
        parts: Modules or parameters inside it by name; `None` is passed over.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> count_parameters(model, {"first": model[0]})
        {'first': 9, 'other': 4}
    """
    seen: set[int] = set()
    found = {name: _count(part, seen) for name, part in parts.items() if part is not None}
    rest = _count(model, seen)
    return {**found, REST: rest} if rest else found


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """The children of a model; those of its `model`, in the place of that.

    Models of transformers have a head beside `model`, inside of which are the parts that people
    speak of: a vision tower, a language model.
    """
    children = dict(model.named_children())
    inner = children.pop("model", None)
    return {**dict(inner.named_children() if inner is not None else ()), **children}


def _count(part: Any, seen: set[int]) -> int:
    tensors = part.parameters() if hasattr(part, "parameters") else [part]
    total = 0
    for tensor in tensors:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            total += tensor.numel()
    return total
