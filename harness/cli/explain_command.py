"""`cheers-bench explain`: pictures of how a run's responses came about."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("explain")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--task", required=True, help="Task.")
@click.option("--sample", "samples", multiple=True, help="Only this sample; may be repeated.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Samples at most, the first ones.",
)
def command(*, folder: Path, task: str, samples: tuple[str, ...], count: int) -> None:
    """Ask the run's model again and keep what it shows: heat maps, denoising.

    The pictures are put beside the samples and appear in `report`. Each is kept only if the model
    draws what it drew in the run.
    """
    from harness.explaining import explain_run

    done = explain_run(folder, task, samples=samples, count=count)
    for note in done.notes:
        click.echo(note, err=True)
    click.echo(f"wrote {done.pictures} pictures about {done.samples} samples of {task}")
