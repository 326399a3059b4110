"""`cheers-bench export`: samples, responses and verdicts as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

__all__ = ["command"]


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "parquet"]),
    default="jsonl",
    show_default=True,
    help="File format.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="File; in the run folder otherwise."
)
def command(folder: Path, format_: Literal["jsonl", "parquet"], output: Path | None) -> None:
    """Write every sample of a run with its response, verdict and scores."""
    from harness.ledger import export

    click.echo(export(folder, format_, output))
