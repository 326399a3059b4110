"""What an actor needs of a machine, in Ray's names and in words."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["amounts", "fits", "in_words"]

_NAMES = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
_GIB = 1 << 30
_EXACT = 1e-9  # sums of fractions may be a little off


def amounts(resources: Mapping[str, float | Mapping[str, float]]) -> dict[str, float]:
    """Amounts by the names under which machines list them.

    Args:
        resources: An actor's options `num_cpus`, `num_gpus`, `memory` in bytes, and `resources`.

    Example:
        >>> amounts({"num_cpus": 2, "num_gpus": 0, "resources": {"big": 0.5}})
        {'CPU': 2, 'big': 0.5}
    """
    found: dict[str, float] = {}
    for name, value in resources.items():
        found.update(value if isinstance(value, Mapping) else {_NAMES[name]: value})
    return {name: amount for name, amount in found.items() if amount}


def fits(needed: Mapping[str, float], machine: Mapping[str, float]) -> bool:
    """Whether a machine has as much, if nothing else runs on it."""
    return all(machine.get(name, 0.0) + _EXACT >= amount for name, amount in needed.items())


def in_words(amounts: Mapping[str, float]) -> str:
    """Amounts for a user to read.

    Example:
        >>> in_words({"CPU": 1.0, "GPU": 0.5, "memory": 1 << 31})
        '1 CPU, 0.5 GPU, 2 GiB of memory'
    """
    return ", ".join(_one(name, amount) for name, amount in amounts.items()) or "no resources"


def _one(name: str, amount: float) -> str:
    return f"{amount / _GIB:.4g} GiB of memory" if name == "memory" else f"{amount:g} {name}"
