"""`cheers-bench compare`: is the difference between two runs real?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.showing import show

if TYPE_CHECKING:
    from harness.compare import Format

__all__ = ["command"]


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--task", "tasks", multiple=True, help="Only this task; may be repeated.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["md", "json", "html"]),
    default="md",
    show_default=True,
    help="Format of the comparison.",
)
@click.option("--output", type=click.Path(path_type=Path), help="File; standard output otherwise.")
def command(
    *, first: Path, second: Path, tasks: tuple[str, ...], format_: Format, output: Path | None
) -> None:
    """Compare run SECOND with run FIRST, or baselines of runs, over the same samples.

    Every metric's difference comes with its interval, a test adjusted for the number of tasks, and
    the smallest difference that could have been seen; then the samples that ended differently.
    """
    from harness.compare import compare_runs, render

    text = render(compare_runs(first, second, tasks=tasks), format_)
    show(text, output)
