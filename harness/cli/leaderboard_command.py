"""`cheers-bench leaderboard`: a table of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.showing import show

if TYPE_CHECKING:
    from harness.leaderboard import Format
    from harness.published import PublishedTable

__all__ = ["command"]

_PUBLISHED = "published:"


@click.command("leaderboard")
@click.argument("sources", metavar="DIR|published:MODEL...", nargs=-1, required=True)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["md", "csv", "json", "tex", "html"]),
    default="md",
    show_default=True,
    help="Format of the table.",
)
@click.option("--all-metrics", is_flag=True, help="Every metric, not only the primary ones.")
@click.option("--metric", "metrics", multiple=True, metavar="TASK.METRIC", help="This one too.")
@click.option("--published", type=click.Path(path_type=Path), help="Folder of published numbers.")
@click.option("--output", type=click.Path(path_type=Path), help="File; standard output otherwise.")
def command(
    sources: tuple[str, ...],
    format_: Format,
    metrics: tuple[str, ...],
    published: Path | None,
    output: Path | None,
    *,
    all_metrics: bool,
) -> None:
    """Compare runs or baselines: models by tasks, with intervals, verdict counts and protocols.

    published:MODEL adds what others published of a model, in a table of its own.
    """
    from harness.leaderboard import build_table, render

    folders = [source for source in sources if not source.startswith(_PUBLISHED)]
    models = [source.removeprefix(_PUBLISHED) for source in sources if source not in folders]
    table = build_table(
        folders,
        all_metrics=all_metrics,
        metrics=metrics,
        published=_published(models, published),
    )
    show(render(table, format_), output)


def _published(models: list[str], folder: Path | None) -> PublishedTable | None:
    from harness.published import published_folder, published_table, read_published

    if not models:
        return None
    return published_table(models, read_published(folder or published_folder()))
