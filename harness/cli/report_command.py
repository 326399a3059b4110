"""`cheers-bench report`: runs as a page to open."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("report")
@click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report"),
    show_default=True,
    help="Folder to write; with --single-file also a file that ends in .html.",
)
@click.option("--single-file", is_flag=True, help="One file, with thumbnails inside.")
@click.option("--title", default="Evaluation report", show_default=True, help="Heading.")
def command(*, folders: tuple[Path, ...], out: Path, single_file: bool, title: str) -> None:
    """Make an offline page of runs: tables, every sample, comparisons, costs, protocols."""
    from harness.report import ReportSettings, build_report

    settings = ReportSettings(title=title, single_file=single_file)
    page = build_report(folders, out, settings)
    click.echo(f"open {page}")
