"""`cheers-bench parity`: do two backends give the same responses?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.showing import show

if TYPE_CHECKING:
    from harness.parity import Format, Parity

__all__ = ["command"]


@click.command("parity")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--task", "tasks", multiple=True, help="Only this task; may be repeated.")
@click.option("--nats", type=float, help="Log-likelihoods may differ by so much and be equal.")
@click.option("--levels", type=int, help="Pixels may differ by so many levels of 255.")
@click.option(
    "--least",
    type=click.FloatRange(0, 1),
    help="Exit with 1 if a smaller share of some task's responses is equal.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["md", "json"]),
    default="md",
    show_default=True,
    help="Format of the report.",
)
@click.option("--output", type=click.Path(path_type=Path), help="File; standard output otherwise.")
def command(
    *,
    first: Path,
    second: Path,
    tasks: tuple[str, ...],
    nats: float | None,
    levels: int | None,
    least: float | None,
    format_: Format,
    output: Path | None,
) -> None:
    """Compare the responses of runs FIRST and SECOND, of the same weights in two backends.

    Both ran the same tasks with the same seed, e.g. through transformers and through a server.
    """
    from harness.conformance import Tolerance
    from harness.parity import measure_parity, render

    limits = {"nats": nats, "levels": levels}
    tolerance = Tolerance(**{name: v for name, v in limits.items() if v is not None})  # type: ignore[arg-type]
    parity = measure_parity(first, second, tasks=tasks, tolerance=tolerance)
    text = render(parity, format_)
    show(text, output)
    if least is not None:
        _demand(parity, least)


def _demand(parity: Parity, least: float) -> None:
    low = [task for task in parity.tasks if task.agreed is None or task.agreed < least]
    for task in low:
        share = "no" if task.agreed is None else f"{100 * task.agreed:.1f}% of"
        click.echo(f"{task.task}: {share} responses are equal", err=True)
    if not parity.tasks:
        click.echo("no task was compared", err=True)
    if low or not parity.tasks:
        sys.exit(1)
