"""`cheers-bench versus`: two models side by side."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("versus")
@click.argument("folders", metavar="[RUN RUN]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--first", default="Cheers", show_default=True, help="Name in published rows.")
@click.option("--second", default="Tar-1.5B", show_default=True, help="Name in published rows.")
@click.option("--published", type=click.Path(path_type=Path), help="Folder of published numbers.")
@click.option(
    "--format", "format_", type=click.Choice(["md", "json"]), default="md", show_default=True
)
def command(
    folders: tuple[Path, ...], *, first: str, second: str, published: Path | None, format_: str
) -> None:
    """Scores, vision tokens, latency, memory and training of two models; published kept apart.

    Give one RUN of each model, in the order of their names, to see what was measured as well.
    """
    import msgspec

    from harness.published import published_folder, read_published, versus, versus_markdown

    numbers = read_published(published or published_folder())
    table = versus((first, second), numbers, folders)
    if format_ == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(table), indent=2).decode())
    else:
        click.echo(versus_markdown(table), nl=False)
