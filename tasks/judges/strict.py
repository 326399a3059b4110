"""What keeps weights from fitting a network, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["misfits"]


def misfits(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], extra: str = "is too much"
) -> list[str]:
    """Tensors that are missing, too much, or of another shape; empty if all fit.

    Args:
        state: Weights by name.
        expected: State dict of the network.
        extra: What is said of a tensor that the network hasn't.
    """
    return [
        *(f"{name} is missing" for name in expected if name not in state),
        *(f"{name} {extra}" for name in state if name not in expected),
        *(
            f"{name} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
            for name, tensor in state.items()
            if name in expected and tensor.shape != expected[name].shape
        ),
    ]
