"""`cheers-bench plot`: figures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.plot import Kind, Width

__all__ = ["command"]


@click.command("plot")
@click.argument("kind", type=click.Choice(["bars", "radar", "pareto", "curve"]))
@click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write; its ending is the format: .svg, .pdf or .png.",
)
@click.option("--task", help="Task; bars of all tasks need none.")
@click.option("--metric", help="The task's metric; the primary one otherwise.")
@click.option(
    "--cost",
    default="seconds",
    show_default=True,
    help="What a pareto figure draws the score against: seconds, ttft, vision_tokens, nfe, ...",
)
@click.option(
    "--width",
    type=click.Choice(["single", "double"]),
    default="single",
    show_default=True,
    help="Columns of the paper.",
)
@click.option("--no-note", is_flag=True, help="Leave out the line that names the protocols.")
def command(
    *,
    kind: Kind,
    folders: tuple[Path, ...],
    out: Path,
    task: str | None,
    metric: str | None,
    cost: str,
    width: Width,
    no_note: bool,
) -> None:
    """Draw a figure of runs.

    bars: scores with 95% intervals, of all tasks or of one task's metrics. radar: one task's
    categories. pareto: a score against what a response costs. curve: a score against function
    evaluations, runs of one model joined.
    """
    from harness.plot import PlotSettings, draw

    settings = PlotSettings(task=task, metric=metric, cost=cost, width=width, note=not no_note)
    for note in draw(kind, folders, out, settings):
        click.echo(note, err=True)
    click.echo(f"wrote {out}", err=True)
