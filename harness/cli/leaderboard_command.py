"""`cheers-bench leaderboard`: a table of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.leaderboard import Format

__all__ = ["command"]


@click.command("leaderboard")
@click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["md", "csv", "json", "tex", "html"]),
    default="md",
    show_default=True,
    help="Format of the table.",
)
@click.option("--all-metrics", is_flag=True, help="Every metric, not only the primary ones.")
@click.option("--output", type=click.Path(path_type=Path), help="File; standard output otherwise.")
def command(
    folders: tuple[Path, ...], format_: Format, output: Path | None, *, all_metrics: bool
) -> None:
    """Compare runs or baselines: models by tasks, with intervals, verdict counts and protocols."""
    from harness.files import write_text
    from harness.leaderboard import build_table, render

    text = render(build_table(folders, all_metrics=all_metrics), format_)
    if output is None:
        click.echo(text)
    else:
        write_text(output, text)
        click.echo(f"wrote {output}", err=True)
