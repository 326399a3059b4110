"""`cheers-bench score`: judge stored responses again, without the model."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("score")
@click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
def command(folders: tuple[Path, ...]) -> None:
    """Score the stored responses of runs again; the model isn't needed."""
    from harness.cli.results import results_table
    from harness.run import make_progress, rescore

    for folder in folders:
        with make_progress() as progress:
            rescore(folder, progress=progress)
        click.echo(results_table(folder))
