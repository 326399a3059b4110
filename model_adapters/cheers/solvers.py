"""How the flow's equation dz/dt = v(z, t) is integrated from noise to image.

Euler's method is the official sampler, quirk included. The others are of second order: they go
exactly from the first knot to 1, and differ in how many evaluations of v a step takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor

from model_adapters.cheers.schedule import edit_steps, schedule, shift, step_sizes

__all__ = ["SOLVERS", "Solver", "Velocity", "integrate", "knots", "nfe_per_branch"]

Solver: TypeAlias = Literal["euler", "heun", "midpoint", "ab2"]
"""Names of the methods.

`euler`: the official sampler, one evaluation per step. `heun`: the mean of the velocities at both
ends of a step, two evaluations (Heun, 1900; Karras et al., 2022). `midpoint`: the velocity in the
middle of a step, two evaluations (Runge, 1895). `ab2`: two-step Adams-Bashforth, which takes the
second-order term from the step before, so one evaluation per step (Bashforth and Adams, 1883).
"""

SOLVERS: tuple[str, ...] = get_args(Solver)
"""All of them; the first is the default."""

Velocity: TypeAlias = Callable[[Tensor, float], Tensor]
"""Velocity at latents (N, C, h, w) and a time in [0, 1], of the same shape."""


class _Method(NamedTuple):
    """One way to integrate."""

    run: Callable[[Velocity, Tensor, list[float]], Tensor]
    """Moves latents over the knots."""

    evaluations: int
    """Evaluations of the velocity per step."""


def knots(solver: Solver, steps: int, alpha: float, start: float = 0.0) -> Tensor:
    """The times that a method visits, float32.

    Args:
        solver: The method.
        steps: Steps of a path from 0 to 1, at least 1; a later start takes its share of them.
        alpha: The shift; below 1 the steps linger at noise.
        start: Where the path begins, in [0, 1).

    Returns:
        Euler's times (steps,), the official ones; else both ends of every step (steps + 1,).

    Example:
        >>> knots("heun", 2, 0.5)
        tensor([0.0000, 0.3333, 1.0000])
    """
    taken = edit_steps(steps, start) if start else steps
    if solver == "euler":
        return schedule(taken, alpha, start)
    if taken < 1:
        raise ValueError(f"an image needs at least one step, not {taken}")
    return shift(torch.linspace(start, 1.0, taken + 1), alpha)


def nfe_per_branch(solver: Solver, times: Tensor) -> int:
    """Evaluations of the velocity over these knots, for one guidance branch.

    Example:
        >>> [nfe_per_branch(name, knots(name, 10, 1.0)) for name in ("euler", "heun", "ab2")]
        [10, 20, 10]
    """
    steps = len(times) if solver == "euler" else len(times) - 1
    return steps * _METHODS[solver].evaluations


def integrate(solver: Solver, velocity: Velocity, latents: Tensor, times: Tensor) -> Tensor:
    """Move latents along the flow.

    Args:
        solver: The method.
        velocity: The flow's velocity.
        latents: Where to start (N, C, h, w).
        times: From `knots`.

    Returns:
        The latents at the end, of the same shape and data type.
    """
    return _METHODS[solver].run(velocity, latents, times.tolist())


def _euler(velocity: Velocity, z: Tensor, times: list[float]) -> Tensor:
    """The official sampler, whose last step goes 1/steps beyond the last time."""
    for t, size in zip(times, step_sizes(torch.tensor(times)).tolist(), strict=True):
        z = z + velocity(z, t) * size
    return z


def _heun(velocity: Velocity, z: Tensor, times: list[float]) -> Tensor:
    for t, end in pairwise(times):
        size, first = end - t, velocity(z, t)
        z = z + (first + velocity(z + first * size, end)) * (size / 2)
    return z


def _midpoint(velocity: Velocity, z: Tensor, times: list[float]) -> Tensor:
    for t, end in pairwise(times):
        half = (end - t) / 2
        z = z + velocity(z + velocity(z, t) * half, t + half) * (2 * half)
    return z


def _ab2(velocity: Velocity, z: Tensor, times: list[float]) -> Tensor:
    """Steps of different sizes; the first, which has none before it, is Euler's."""
    before: tuple[Tensor, float] | None = None
    for t, end in pairwise(times):
        size, now = end - t, velocity(z, t)
        slope = now if before is None else now + (now - before[0]) * (size / (2 * before[1]))
        z, before = z + slope * size, (now, size)
    return z


_METHODS: Mapping[Solver, _Method] = {
    "euler": _Method(_euler, 1),
    "heun": _Method(_heun, 2),
    "midpoint": _Method(_midpoint, 2),
    "ab2": _Method(_ab2, 1),
}
