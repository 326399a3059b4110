"""What looking one prompt at a time saves: prompts until the gate is certain, over all prompts.

    python -m pytest benchmarks/bench_sequential.py -m bench -s

A simulated GenEval: 553 prompts with four images each, half of the images decided alike by both
models. The share that is saved is a ratio of counts, so it's the same on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from harness.stats import SequentialGate, Stop

pytestmark = pytest.mark.bench

PROMPTS, IMAGES, ROUNDS = 553, 4, 400
MARGIN = 0.05
DROPS = (0.0, 0.05, 0.1, 0.2)


class _Race(NamedTuple):
    saved: float
    """Median share of the prompts that weren't needed."""

    worst: float
    """The share that nine of ten runs save at least."""

    verdicts: dict[Stop, float]
    """Share of the runs that ended so."""


def _differences(rng: np.random.Generator, drop: float) -> np.ndarray:
    """Mean difference of each prompt (553,); the candidate loses `drop` on average."""
    ease = rng.beta(2, 1, (PROMPTS, 1))
    shared = rng.random((PROMPTS, IMAGES))
    own = np.where(rng.random((PROMPTS, IMAGES)) < 0.5, shared, rng.random((PROMPTS, IMAGES)))
    # A prompt loses in proportion to its ease, whose mean is 2/3, so that no chance falls below 0.
    first, second = shared < ease, own < ease * (1 - 1.5 * drop)
    return (second.astype(float) - first).mean(1)


def _stop(rng: np.random.Generator, drop: float) -> tuple[int, Stop]:
    gate = SequentialGate(MARGIN)
    look = gate.look()
    for difference in _differences(rng, drop):
        look = gate.add(float(difference))
        if look.verdict is not Stop.UNDECIDED:
            break
    return look.n, look.verdict


def _race(drop: float) -> _Race:
    rng = np.random.default_rng(0)
    stops = [_stop(rng, drop) for _ in range(ROUNDS)]
    saved = 1 - np.array([n for n, _ in stops]) / PROMPTS
    counts = {verdict: sum(one is verdict for _, one in stops) / ROUNDS for verdict in Stop}
    return _Race(float(np.median(saved)), float(np.quantile(saved, 0.1)), counts)


def test_saving_in_prompts() -> None:
    races = {drop: _race(drop) for drop in DROPS}
    for drop, race in races.items():
        shares = ", ".join(f"{race.verdicts[one]:.1%} {one.value}" for one in Stop)
        print(f"drop {drop:.0%}: saved {race.saved:.0%} (90% save {race.worst:.0%}); {shares}")
    assert races[0.0].verdicts[Stop.REGRESSED] <= 0.05
    assert races[MARGIN].verdicts[Stop.EQUIVALENT] <= 0.05
    assert races[0.2].saved >= 0.85
    assert races[0.0].saved >= 0.4
