"""Randomness of a training step: a function of (seed, stage, step), so a run can resume."""

from __future__ import annotations

import torch

from harness.seeds import sample_seed

__all__ = ["step_generator"]


def step_generator(seed: int, stage: str, step: int) -> torch.Generator:
    """The generator of everything drawn in one step.

    Example:
        >>> step_generator(0, "vae", 3).initial_seed() == step_generator(0, "vae", 3).initial_seed()
        True
    """
    return torch.Generator().manual_seed(sample_seed(seed, f"nano-{stage}", str(step), 0))
