"""Flags about the engine, read the same way wherever a run is named."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, TypeVar

import click

__all__ = ["engine_options", "read_engine"]

F = TypeVar("F", bound=Callable[..., Any])

_PREFIX = "engine_"
_AMOUNTS = "worker_resources"
_LEAST = 1e-4  # Ray's smallest amount
_SOME = click.FloatRange(min=0)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_OPTIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("--engine", "kind", click.Choice(["local", "ray"]), "Where the model runs; local by default."),
    ("--workers", "workers", click.IntRange(min=1), "Actors with a replica of the model each."),
    ("--gpus-per-worker", "gpus_per_worker", _SOME, "GPUs of a worker."),
    ("--cpus-per-worker", "cpus_per_worker", _SOME, "CPUs of a worker."),
    ("--memory-per-worker", "memory_per_worker", _POSITIVE, "GiB of main memory of a worker."),
    ("--judges", "judges", click.IntRange(min=0), "Actors that judge meanwhile; 1 by default."),
    ("--gpus-per-judge", "gpus_per_judge", _SOME, "GPUs of a judge."),
    ("--cpus-per-judge", "cpus_per_judge", _SOME, "CPUs of a judge."),
    ("--attempts", "attempts", click.IntRange(min=1), "Lost workers until a sample is errored."),
    ("--hang-after", "hang_after", _POSITIVE, "Seconds without a batch: worker is replaced."),
    ("--start-within", "start_within", _POSITIVE, "Seconds a worker may load the weights."),
    ("--address", "address", str, "Running Ray cluster; `auto` is the one on this machine."),
)


def engine_options(command: F) -> F:
    """Add the engine's flags to a command; they arrive as `engine_*`."""
    for flag, field, kind, text in reversed(_OPTIONS):
        command = click.option(flag, f"{_PREFIX}{field}", type=kind, help=text)(command)
    command = click.option(
        "--copies/--no-copies",
        f"{_PREFIX}copies",
        default=None,
        help="Whether idle workers repeat what a slow one holds.",
    )(command)
    return click.option(
        "--worker-resources",
        f"{_PREFIX}{_AMOUNTS}",
        type=_amount,
        metavar="NAME=AMOUNT",
        multiple=True,
        help="Another Ray resource of a worker; may be repeated.",
    )(command)


def _amount(text: str) -> tuple[str, float]:
    """Name and amount of `NAME=AMOUNT`; the name may hold colons and equals signs."""
    name, _, amount = text.rpartition("=")
    try:
        found = float(amount)
    except ValueError:
        found = 0.0
    if not name or not _LEAST <= found < inf:
        raise click.BadParameter(
            f"{text!r} isn't NAME=AMOUNT with an amount of at least {_LEAST:g}, "
            "as accelerator_type:H100=0.001"
        )
    return name, found


def read_engine(flags: dict[str, Any]) -> dict[str, Any]:
    """The same flags with those of the engine gathered under `engine`, where they were given."""
    ours = {key: flags[key] for key in flags if key.startswith(_PREFIX)}
    given = {key.removeprefix(_PREFIX): v for key, v in ours.items() if v not in (None, ())}
    if _AMOUNTS in given:
        given[_AMOUNTS] = dict(given[_AMOUNTS])
    return {**{key: flags[key] for key in flags if key not in ours}, "engine": given}
