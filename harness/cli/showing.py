"""Where a command's report goes: to a file, or to standard output."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["show"]


def show(text: str, output: Path | None, *, newline: bool = True) -> None:
    """Write a report to a file and say so, or print it.

    Args:
        text: The report.
        output: File; `None` is standard output.
        newline: Whether one is printed behind it; files hold the text as it is.

    Raises:
        OSError: The file can't be written.
    """
    from harness.files import write_text

    if output is None:
        click.echo(text, nl=newline)
    else:
        write_text(output, text)
        click.echo(f"wrote {output}", err=True)
