"""The driver's loop over its pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.engines.fleet import Fleet
from harness.engines.pool import Pool

__all__ = ["drive"]


def drive(
    pools: Sequence[Pool],
    fleet: Fleet,
    *,
    until: Callable[[], bool] | None = None,
    after: Callable[[], None] = lambda: None,
    look_every: float = 0.2,
) -> None:
    """Keep the pools at work until none has anything left to do.

    Args:
        pools: They share the fleet.
        fleet: Moves work and news.
        until: Ends the loop earlier; `None` never does.
        after: Called after every round of news; what it raises ends the loop.
        look_every: Seconds after which `after` is called even if there is no news.
    """
    until = until or (lambda: not any(pool.busy for pool in pools))
    while not until():
        for pool in pools:
            pool.fill()
        patience = min((pool.patience() for pool in pools), default=look_every)
        for event in fleet.wait(min(look_every, patience)):
            for pool in pools:
                if pool.owns(event.worker):
                    pool.take(event)
                    break
        for pool in pools:
            pool.watch()
        after()
