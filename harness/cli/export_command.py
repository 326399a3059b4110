"""`cheers-bench export`: a run as one file, or in the folder layout of a benchmark."""

from __future__ import annotations

from pathlib import Path

import click

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

    if format_ == "jsonl" or format_ == "parquet":  # noqa: PLR1714 -- narrows the type
        click.echo(export(folder, format_, output))
    elif format_ in exports():
        click.echo(exports().get(format_)(folder, output))
    else:
        known = ["jsonl", "parquet", *exports()]
        raise UnknownNameError(
            f"unknown export format {format_!r}",
            suggest(format_, known) or "formats: " + ", ".join(known),
        )
