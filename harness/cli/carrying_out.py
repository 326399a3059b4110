"""Carrying out a run for a command, and showing what came of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.runspec import RunSpec

__all__ = ["carry_out"]


def carry_out(spec: RunSpec) -> None:
    """Execute a run with its progress shown, then print its results.

    Raises:
        BenchError: See `harness.run.execute`.
    """
    from harness.cli.results import results_table
    from harness.run import execute, make_progress

    with make_progress() as progress:
        execute(spec, progress=progress, command=["cheers-bench", *sys.argv[1:]])
    click.echo(results_table(Path(spec.out)))
