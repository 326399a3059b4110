"""How much CLIP's activation changes: the same weights with QuickGELU and with plain GELU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.agreement.kappa import Kappa, cohen_kappa
from tasks.judges.clip_colors import ClipColors
from tasks.judges.clip_network import Activation
from tasks.judges.interface import Crop
from tasks.scoring.geneval.metadata import COLORS

__all__ = ["ActivationAgreement", "compare_activations"]


class ActivationAgreement(NamedTuple):
    """How often two activations name the same colour."""

    crops: int
    """Crops that were compared."""

    equal: int
    """Crops with equal labels."""

    kappa: Kappa
    """Cohen's kappa of the labels, with an interval over crops."""

    shift: float
    """Largest difference of a cosine similarity, in [0, 2]."""

    differing: tuple[tuple[int, str, str], ...]
    """Number of each crop with different labels, and both labels."""


def compare_activations(
    crops: Sequence[Crop],
    weights: str | Path,
    *,
    activations: tuple[Activation, Activation] = ("quickgelu", "legacy-gelu"),
    architecture: str | dict[str, Any] = "ViT-L-14",
    device: str = "cpu",
) -> ActivationAgreement:
    """Name the colours of crops twice, with the same weights and two activations.

    Args:
        crops: Objects whose colours are asked for.
        weights: As `ClipColors`.
        activations: What to compute with, once each.
        architecture: As `ClipColors`.
        device: Where it runs.

    Raises:
        ValueError: There are no crops.
        CheckpointError: The weights can't be used.
        SpecError: There is no such device.
    """
    if not crops:
        raise ValueError("there are no crops to compare activations on")
    first, second = (
        ClipColors(weights, activation=name, architecture=architecture, device=device)
        .scores(crops)
        .numpy()
        for name in activations
    )
    left, right = first.argmax(1), second.argmax(1)
    counts = np.zeros((len(crops), len(COLORS), len(COLORS)), dtype=np.int64)
    counts[np.arange(len(crops)), left, right] = 1
    return ActivationAgreement(
        crops=len(crops),
        equal=int((left == right).sum()),
        kappa=cohen_kappa(counts),
        shift=float(np.abs(first - second).max()),
        differing=tuple(
            (int(n), COLORS[left[n]], COLORS[right[n]]) for n in np.flatnonzero(left != right)
        ),
    )
