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
@click.option(
    "--pareto",
    type=click.Path(path_type=Path),
    help="Also draw the RUNs' score against its cost: an .svg, .pdf or .png file.",
)
@click.option("--task", help="With --pareto: the task; needed if the runs have several.")
@click.option(
    "--cost",
    default="seconds",
    show_default=True,
    help="With --pareto: seconds, ttft, vision_tokens, ...",
)
def command(
    folders: tuple[Path, ...],
    *,
    first: str,
    second: str,
    published: Path | None,
    format_: str,
    pareto: Path | None,
    task: str | None,
    cost: str,
) -> None:
    """Scores, vision tokens, latency, memory and training of two models; published kept apart.

    Give one RUN of each model, in the order of their names, to see what was measured as well.
    """
    from harness.layout import json_text
    from harness.published import published_folder, read_published, versus, versus_markdown

    numbers = read_published(published or published_folder())
    table = versus((first, second), numbers, folders)
    if pareto is not None:
        _draw(folders, pareto, task, cost)
    if format_ == "json":
        click.echo(json_text(table), nl=False)
    else:
        click.echo(versus_markdown(table), nl=False)


def _draw(folders: tuple[Path, ...], out: Path, task: str | None, cost: str) -> None:
    from harness.errors import SpecError
    from harness.plot import PlotSettings, draw

    if not folders:
        raise SpecError("--pareto draws what was measured", "give one RUN of each model")
    for note in draw("pareto", folders, out, PlotSettings(task=task, cost=cost)):
        click.echo(note, err=True)
    click.echo(f"wrote {out}", err=True)
