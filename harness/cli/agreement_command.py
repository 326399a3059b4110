"""`cheers-bench judge-agreement`: do two judges see the same in the same responses?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.showing import show

if TYPE_CHECKING:
    from harness.agreement import Format

__all__ = ["command"]


@click.command("judge-agreement")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--task", "tasks", multiple=True, help="Only this task; may be repeated.")
@click.option("--metric", "metrics", multiple=True, help="Only this metric; may be repeated.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["md", "json"]),
    default="md",
    show_default=True,
    help="Format of the report.",
)
@click.option("--output", type=click.Path(path_type=Path), help="File; standard output otherwise.")
def command(
    *,
    first: Path,
    second: Path,
    tasks: tuple[str, ...],
    metrics: tuple[str, ...],
    format_: Format,
    output: Path | None,
) -> None:
    """Compare the verdicts of two runs that hold the same responses under different judges.

    To judge a run's images once more, run `--model recorded:RUN` with the other judge.
    """
    from harness.agreement import measure_agreement, render

    text = render(measure_agreement(first, second, tasks=tasks, metrics=metrics), format_)
    show(text, output)
