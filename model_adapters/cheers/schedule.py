"""Times of the Euler sampler: a shifted line, and the official length of its last step."""

from __future__ import annotations

import torch
from torch import Tensor

EDIT_START = 0.1
"""Where editing starts on the path from noise (0) to image (1), by default."""


def shift(times: Tensor, alpha: float) -> Tensor:
    """Shift times in [0, 1] to alpha*t / (1 + (alpha-1)*t); alpha below 1 lingers at noise.

    Example:
        >>> shift(torch.tensor([0.0, 0.5, 1.0]), 0.5)
        tensor([0.0000, 0.3333, 1.0000])
    """
    return (alpha * times) / (1.0 + (alpha - 1.0) * times)


def schedule(steps: int, alpha: float, start: float = 0.0) -> Tensor:
    """The time of each step, float32 (steps,).

    Args:
        steps: number of steps, at least 1.
        alpha: the shift; 1 leaves the line straight.
        start: where the line begins; 0 for generation, `EDIT_START` for editing.

    Example:
        >>> schedule(3, 1.0)
        tensor([0.0000, 0.5000, 1.0000])
    """
    if steps < 1:
        raise ValueError(f"an image needs at least one step, not {steps}")
    return shift(torch.linspace(start, 1.0, steps), alpha)


def step_sizes(times: Tensor) -> Tensor:
    """How far each step goes, (steps,): to the next time, and 1/steps for the last one.

    The sizes sum to 1 + 1/steps, not 1, because the line already ends at 1: a quirk of the
    official sampler that the released results were made with.

    Example:
        >>> step_sizes(schedule(3, 1.0))
        tensor([0.5000, 0.5000, 0.3333])
    """
    last = torch.full((1,), 1.0 / len(times))
    return torch.cat((times.diff(), last))


def edit_steps(steps: int, start: float) -> int:
    """Steps that editing runs of the `steps` asked for: those from `start` on, rounded down.

    Example:
        >>> edit_steps(80, 0.1)
        72
    """
    return int(steps * (1 - start))
