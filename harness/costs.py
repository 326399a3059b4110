"""What responses cost: time and tokens, as quantiles that one can draw."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from harness.records import StoredResponse

__all__ = ["QUANTITIES", "CostBuilder", "Costs", "Quantity", "Spread", "readable", "task_costs"]


class Quantity(NamedTuple):
    """One thing that a response costs."""

    name: str
    """Heading."""

    unit: str
    """Unit as printed; empty for counts."""

    description: str
    """One sentence."""


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


Costs: TypeAlias = Mapping[str, Spread]
"""Spread by key of `QUANTITIES`; unknown quantities are absent."""

QUANTITIES = {
    "seconds": Quantity("time", "s", "Wall time of a response's batch, divided by the batch."),
    "ttft": Quantity("first token", "s", "Time to the first token, or to the first step's end."),
    "prompt_tokens": Quantity("prompt tokens", "", "Text tokens of the prompt."),
    "vision_tokens": Quantity("vision tokens", "", "Vision tokens in the language model."),
    "completion_tokens": Quantity("answer tokens", "", "Generated text tokens."),
    "nfe": Quantity("function evaluations", "", "Denoiser calls, each guidance branch counted."),
}
"""What is measured, in the order in which it's shown."""


class CostBuilder:
    """Gathers the costs of a stream of responses, 8 bytes a number."""

    def __init__(self) -> None:
        self._values = {key: array("d") for key in QUANTITIES}

    def add(self, response: StoredResponse) -> None:
        """Take a response; what it doesn't know isn't counted."""
        usage, timing = response.usage, response.timing
        total = timing.total_s
        known = {
            "seconds": None if total is None else total / timing.batch_size,
            "ttft": timing.ttft_s,
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
        return {key: _spread(values) for key, values in self._values.items() if values}


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
