"""How long batches take, as a run's ledger has measured it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

import msgspec

from harness.engines.shards import Rows
from harness.ledger import Ledger
from harness.records import Record

__all__ = ["ServiceTime", "batches", "fit", "one_worker_s", "service_of"]


class ServiceTime(Record, frozen=True, kw_only=True):
    """Time of a batch: `(fixed_s + sample_s * size) * ratio`.

    The ratio is one of those that were measured at the nearest size.
    """

    fixed_s: float
    """Seconds of a batch, whatever its size."""

    sample_s: float
    """Seconds that each sample adds."""

    ratios: dict[int, tuple[float, ...]] = msgspec.field(default_factory=lambda: {1: (1.0,)})
    """Measured times over those of the line, one per batch, by the size that was measured. With a
    single size, the fixed part isn't known, and taken for 0."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes that were measured, smallest first."""
        return tuple(sorted(self.ratios))

    def mean_s(self, size: int) -> float:
        """Mean seconds of a batch.

        Example:
            >>> ServiceTime(fixed_s=1.0, sample_s=0.5).mean_s(4)
            3.0
        """
        return self._line_s(size) * fmean(self._ratios(size))

    def draw_s(self, size: int, draw: int) -> float:
        """Seconds of one batch as it may happen; `draw` is a random number of any size."""
        ratios = self._ratios(size)
        return self._line_s(size) * ratios[draw % len(ratios)]

    def _line_s(self, size: int) -> float:
        return self.fixed_s + self.sample_s * size

    def _ratios(self, size: int) -> tuple[float, ...]:
        return self.ratios[min(self.ratios, key=lambda measured: abs(measured - size))]


def fit(times: Sequence[tuple[int, float]]) -> ServiceTime:
    """Fit a line with no negative part to batch sizes and seconds, by least squares.

    Args:
        times: Size and seconds of each batch; at least one.

    Example:
        >>> round(fit([(1, 3.0), (2, 4.0), (4, 6.0)]).mean_s(8), 6)
        10.0
    """
    import numpy as np
    from scipy.optimize import nnls

    sizes = sorted({size for size, _ in times})
    x = np.array([size for size, _ in times], float)
    y = np.array([seconds for _, seconds in times], float)
    columns = [np.ones_like(x), x] if len(sizes) > 1 else [np.zeros_like(x), x]
    (fixed, each), _ = nnls(np.stack(columns, axis=1), y)
    line = np.maximum(fixed + each * x, 1e-9)
    return ServiceTime(
        fixed_s=round(float(fixed), 9),
        sample_s=round(float(each), 9),
        ratios={size: tuple((y / line)[x == size].tolist()) for size in sizes},
    )


def service_of(ledger: Ledger, tasks: Iterable[str]) -> dict[str, ServiceTime]:
    """Measured service times of those tasks that have any in a ledger.

    Args:
        ledger: Ledger of a run of the same model on the same kind of machine.
        tasks: Names of tasks.
    """
    known = set(ledger.tasks())
    times = {task: ledger.batch_times(task) for task in tasks if task in known}
    return {task: fit(found) for task, found in times.items() if found}


def one_worker_s(work: Sequence[Rows], batch: int, service: Mapping[str, ServiceTime]) -> float:
    """Mean seconds that one worker needs for everything, in full batches.

    Args:
        work: What is to be done.
        batch: Samples of a full batch.
        service: Service times of every task of `work`.
    """
    parts = ((part.task, size) for part in work for size in batches(len(part.rows), batch))
    return sum(service[task].mean_s(size) for task, size in parts)


def batches(samples: int, batch: int) -> Iterator[int]:
    """Sizes of the batches into which a number of samples falls."""
    for start in range(0, samples, batch):
        yield min(batch, samples - start)
