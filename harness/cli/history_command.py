"""`cheers-bench history`: metrics over a row of runs, and where they first changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.showing import show

if TYPE_CHECKING:
    from harness.history import Format, Order

__all__ = ["command"]

_FILE = click.Path(path_type=Path)


@click.command("history")
@click.argument("paths", metavar="RUN_OR_BASELINE...", nargs=-1, required=True, type=_FILE)
@click.option("--task", "tasks", multiple=True, help="Only this task; may be repeated.")
@click.option("--all-metrics", is_flag=True, help="Every metric, not only the primary ones.")
@click.option(
    "--order",
    type=click.Choice(["time", "given"]),
    default="time",
    show_default=True,
    help="By when runs were made, or as given.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["md", "json"]),
    default="md",
    show_default=True,
    help="Format of the tables.",
)
@click.option(
    "--unknown",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Largest share of samples without a score in a run that is searched for changes.",
)
@click.option("--output", type=_FILE, help="File; standard output otherwise.")
@click.option("--plot", type=_FILE, help="Also draw it: .svg, .png or .pdf.")
def command(
    *,
    paths: tuple[Path, ...],
    tasks: tuple[str, ...],
    all_metrics: bool,
    order: Order,
    format_: Format,
    unknown: float,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Show each metric over runs and baselines, with intervals and its first clear change."""
    from harness.history import measure_history, render

    history = measure_history(
        paths, tasks=tasks, all_metrics=all_metrics, order=order, unknown=unknown
    )
    show(render(history, format_), output, newline=False)
    if plot is not None:
        from harness.history.plot import plot_history

        plot_history(history, plot)
        click.echo(f"wrote {plot}", err=True)
