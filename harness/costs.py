"""What responses cost: time and tokens, as quantiles that one can draw."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from harness.records import USUAL_FIRST, First, StoredResponse, Timing

__all__ = [
    "QUANTITIES",
    "Batches",
    "CostBuilder",
    "Costs",
    "Quantity",
    "Spread",
    "readable",
    "task_costs",
    "timing_notes",
]


class Quantity(NamedTuple):
    """One thing that a response costs."""

    name: str
    """Heading."""

    unit: str
    """Unit as printed; empty for counts."""

    description: str
    """One sentence."""


class Batches(NamedTuple):
    """Which batches times were taken from."""

    size: int
    """Size of the batches that most of the timed responses were in."""

    left_out: int
    """Timed responses of first batches, which aren't counted where there are others."""

    first: First | None
    """What all counted batches were the first of; `None` where they're usual ones."""


class Spread(NamedTuple):
    """Quantiles over the responses for which a quantity is known."""

    n: int
    """Number of responses."""

    p10: float
    """10th percentile."""

    p50: float
    """Median."""

    p90: float
    """90th percentile."""

    batches: Batches | None = None
    """Where times are from; `None` for counts."""


Costs: TypeAlias = Mapping[str, Spread]
"""Spread by key of `QUANTITIES`; unknown quantities are absent."""

QUANTITIES = {
    "seconds": Quantity("time", "s", "Usual wall time of a response's batch over its size."),
    "ttft": Quantity("first token", "s", "Usual time to the first token, or first step's end."),
    "prompt_tokens": Quantity("prompt tokens", "", "Text tokens of the prompt."),
    "vision_tokens": Quantity("vision tokens", "", "Vision tokens in the language model."),
    "completion_tokens": Quantity("answer tokens", "", "Generated text tokens."),
    "nfe": Quantity("function evaluations", "", "Denoiser calls, each guidance branch counted."),
}
"""What is measured, in the order in which it's shown."""


class CostBuilder:
    """Gathers the costs of a stream of responses, 8 bytes a number.

    Times of a model's first batches in a process have loading and compiling in them. They count
    only where there are no others, which the spread then says.
    """

    def __init__(self) -> None:
        self._values = {key: array("d") for key in QUANTITIES if key not in _TIMES}
        self._times = {key: _Times() for key in _TIMES}

    def add(self, response: StoredResponse) -> None:
        """Take a response; what it doesn't know isn't counted."""
        usage, timing = response.usage, response.timing
        for key, seconds in _TIMES.items():
            self._times[key].add(timing, seconds(timing))
        known = {
            "prompt_tokens": usage.prompt_tokens,
            "vision_tokens": usage.vision_tokens,
            "completion_tokens": usage.completion_tokens,
            "nfe": usage.nfe,
        }
        for key, value in known.items():
            if value is not None:
                self._values[key].append(value)

    def costs(self) -> Costs:
        """The spread of each quantity that any response knows."""
        times = {key: taken.spread() for key, taken in self._times.items()}
        counts = {key: _spread(values) for key, values in self._values.items() if values}
        return {key: spread for key, spread in times.items() if spread is not None} | counts


def _seconds(timing: Timing) -> float | None:
    return None if timing.total_s is None else timing.total_s / timing.batch_size


def _ttft(timing: Timing) -> float | None:
    return timing.ttft_s


_TIMES = {"seconds": _seconds, "ttft": _ttft}


class _Times:
    """One time of many responses, those of first batches apart."""

    def __init__(self) -> None:
        self._values = {first: array("d") for first in USUAL_FIRST}
        self._sizes = {first: Counter[int]() for first in USUAL_FIRST}

    def add(self, timing: Timing, seconds: float | None) -> None:
        if seconds is not None:
            self._values[timing.first].append(seconds)
            self._sizes[timing.first][timing.batch_size] += 1

    def spread(self) -> Spread | None:
        known = [first for first in USUAL_FIRST if self._values[first]]
        if not known:
            return None
        counted = known[0]
        batches = Batches(
            size=max(self._sizes[counted].items(), key=lambda pair: (pair[1], pair[0]))[0],
            left_out=sum(len(self._values[first]) for first in known[1:]),
            first=counted,
        )
        return _spread(self._values[counted])._replace(batches=batches)


def _spread(values: array[float]) -> Spread:
    import numpy as np

    p10, p50, p90 = np.quantile(np.frombuffer(values, dtype=np.float64), (0.1, 0.5, 0.9))
    return Spread(len(values), float(p10), float(p50), float(p90))


def task_costs(folder: str | Path, task: str) -> Costs:
    """What a task's responses cost in a run, streamed.

    Raises:
        LedgerError: The folder isn't a run, or is damaged.
        UnknownNameError: The run has no such task.
    """
    from harness.ledger import Ledger

    builder = CostBuilder()
    with Ledger.open(folder) as ledger:
        for entry in ledger.entries(task):
            if entry.response is not None:
                builder.add(entry.response)
    return builder.costs()


def timing_notes(times: Mapping[str, Spread]) -> list[str]:
    """What one must know before comparing times, a sentence each.

    Args:
        times: Spread of the same time by name of the run; counts have nothing to note.

    Example:
        >>> one, four = (Spread(9, 1, 1, 1, Batches(size, 0, None)) for size in (1, 4))
        >>> timing_notes({"a": one, "b": four})
        ['times are of batches of different sizes and do not compare: 1 (a), 4 (b)']
    """
    known = {name: spread.batches for name, spread in times.items() if spread.batches is not None}
    return [*_first_notes(known), *_size_notes(known)]


def _first_notes(known: Mapping[str, Batches]) -> list[str]:
    reasons = {
        First.KIND: "cold: times of first batches alone, with loading and compiling in them",
        First.SIZE: "perhaps cold: times of the first batch of its size, which may be compiled for",
    }
    found = {
        why: [name for name, batches in known.items() if batches.first is first]
        for first, why in reasons.items()
    }
    return [f"{why}: {', '.join(names)}" for why, names in found.items() if names]


def _size_notes(known: Mapping[str, Batches]) -> list[str]:
    sizes = sorted({batches.size for batches in known.values()})
    if len(sizes) < 2:
        return []
    named = (", ".join(n for n, batches in known.items() if batches.size == size) for size in sizes)
    each = ", ".join(f"{size} ({names})" for size, names in zip(sizes, named, strict=True))
    return [f"times are of batches of different sizes and do not compare: {each}"]


def readable(number: float, unit: str) -> str:
    """A cost as people read it.

    Example:
        >>> readable(0.0123, "s"), readable(1234, ""), readable(2.5, "s")
        ('12.3 ms', '1,234', '2.5 s')
    """
    if unit == "s" and number < 1:
        return f"{number * 1000:.3g} ms"
    text = f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
    return f"{text} {unit}".rstrip()
