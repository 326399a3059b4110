"""How a run over many workers will go, and how to cut it so that it goes well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean

from harness.engines.service import ServiceTime, batches, one_worker_s
from harness.engines.shards import Cut, Rows, Shard, cut
from harness.engines.simulation import Simulated, simulate
from harness.records import Record

__all__ = ["Forecast", "choose_cut", "forecast"]

LATENCY_S = 0.006
"""Seconds between a lease and its first batch, as measured on Ray 2.60 within one machine."""

_SHARES = (1.0, 1.5, 2.0, 3.0)
_SEEDS = range(4)
_TRIALS = range(2)  # of them, for each cut that is tried
_MANY = 64  # batches per worker from which on any cut is good


class Forecast(Record, frozen=True, kw_only=True):
    """What the scheduler makes of a run, as a mean over seeds."""

    workers: int
    """Workers."""

    cut: Cut
    """How the run is cut."""

    shards: int
    """Shards."""

    largest: int
    """Samples of the largest shard."""

    makespan_s: float
    """Seconds from the first lease to the last report; the start of workers isn't in it."""

    idle_share: float
    """Share of all workers' time in which they do nothing that counts, in [0, 1]."""

    tail_s: float
    """Seconds at the end in which no shard waits."""

    bound_s: float
    """Seconds that no schedule can undercut in which each shard stays with one worker: the larger
    of all shards' time over the workers, and the longest shard."""

    efficiency: float
    """One worker's time in full batches, over all workers' time; smaller batches at the end and
    idle workers both lower it."""

    ceiling: float
    """The efficiency that no cut and no schedule can exceed: someone must serve the samples that
    don't divide by the workers."""


def choose_cut(
    work: Sequence[Rows], workers: int, batch: int, service: Mapping[str, ServiceTime]
) -> Cut:
    """The cut with the shortest simulated makespan; a function of its arguments alone.

    Where nothing was measured, or every worker has many batches anyway, the default is good.

    Args:
        work: What is to be done.
        workers: Workers.
        batch: Samples of a full batch.
        service: Service times by task, as far as they're known.
    """
    plain = Cut(workers=workers, batch=batch)
    samples = sum(len(part.rows) for part in work)
    unknown = {part.task for part in work} - service.keys()
    if unknown or samples == 0 or samples > _MANY * batch * workers:
        return plain
    even = samples / (workers * math.ceil(samples / workers))  # all at once, some workers unused
    shares = (even, *_SHARES)
    cuts = [
        Cut(workers=workers, batch=batch, share=share, groups=groups)
        for share in shares
        for groups in (True, False)
    ]
    different: dict[tuple[Shard, ...], Cut] = {}
    for how in cuts:
        different.setdefault(tuple(cut(work, how)), how)
    return min(
        different.values(),
        key=lambda how: _mean(run.makespan_s for run in _runs(work, how, service, _TRIALS)),
    )


def forecast(
    work: Sequence[Rows], workers: int, batch: int, service: Mapping[str, ServiceTime]
) -> Forecast:
    """Simulate a run with the cut that it would have.

    Args:
        work: What is to be done; at least one sample.
        workers: Workers.
        batch: Samples of a full batch.
        service: Service times of every task of `work`.
    """
    how = choose_cut(work, workers, batch, service)
    runs, alone = _runs(work, how, service, _SEEDS), one_worker_s(work, batch, service)
    makespan = _mean(run.makespan_s for run in runs)
    return Forecast(
        workers=workers,
        cut=how,
        shards=runs[0].shards,
        largest=max(len(shard.rows) for shard in cut(work, how)),
        makespan_s=makespan,
        idle_share=_mean(run.idle_share for run in runs),
        tail_s=_mean(run.tail_s for run in runs),
        bound_s=_mean(run.bound_s for run in runs),
        efficiency=alone / (workers * makespan),
        ceiling=_ceiling(work, workers, batch, service),
    )


def _ceiling(
    work: Sequence[Rows], workers: int, batch: int, service: Mapping[str, ServiceTime]
) -> float:
    """See `Forecast.ceiling`; every sample counts as one of the cheapest task."""
    alone = one_worker_s(work, batch, service)
    most = -(-sum(len(part.rows) for part in work) // workers)
    shortest = min(
        sum(service[part.task].mean_s(size) for size in batches(most, batch)) for part in work
    )
    return min(1.0, alone / (workers * shortest))


def _runs(
    work: Sequence[Rows], how: Cut, service: Mapping[str, ServiceTime], seeds: Iterable[int]
) -> list[Simulated]:
    shards, lendable = cut(work, how), {part.task for part in work if not part.whole}
    one = partial(simulate, shards, how.workers, service, batch=how.batch, latency_s=LATENCY_S)
    return [one(seed=seed, lendable=lendable) for seed in seeds]


def _mean(values: Iterable[float]) -> float:
    return fmean(values)
