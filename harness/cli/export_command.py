"""`cheers-bench export`: a run as one file, or in the folder layout of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from harness.ledger.export import Format

__all__ = ["command"]


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    default="jsonl",
    show_default=True,
    help="jsonl, parquet, or a registered format such as geneval.",
)
@click.option(
    "--output",
    "--out",
    type=click.Path(path_type=Path),
    help="File or folder; in the run folder otherwise.",
)
def command(folder: Path, format_: str, output: Path | None) -> None:
    """Write every sample of a run with its response, verdict and scores.

    Registered formats write the folder layout that other tools of a benchmark read.
    """
    from harness.errors import UnknownNameError
    from harness.ledger import export
    from harness.names import suggest
    from harness.registry import exports

    known = ["jsonl", "parquet", *exports()]
    if format_ not in known:
        raise UnknownNameError(
            f"unknown export format {format_!r}",
            suggest(format_, known) or "formats: " + ", ".join(known),
        )
    if format_ in exports():
        click.echo(exports().get(format_)(folder, output))
    else:
        click.echo(export(folder, cast("Format", format_), output))
