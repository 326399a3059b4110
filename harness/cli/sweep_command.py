"""`cheers-bench sweep`: what settings of a model score, and what they cost."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["command"]


@click.command("sweep")
@click.option("--task", required=True, help="Task to run at every setting.")
@click.option("--model", required=True, help="Registered model, NAME:LOCATION, or FILE.py:CLASS.")
@click.option(
    "--vary",
    multiple=True,
    required=True,
    metavar="K=V,V",
    help="Model argument and its values; may be repeated, every combination is run.",
)
@click.option("--model-arg", "model_args", multiple=True, metavar="K=V", help="Fixed argument.")
@click.option("--task-option", "task_options", multiple=True, metavar="K=V", help="Task option.")
@click.option("--limit", type=click.IntRange(min=1), help="Most samples.")
@click.option("--seed", type=int, help="Base seed.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Requests per batch.")
@click.option("--retry-errors", is_flag=True, help="Ask again where a sample failed.")
@click.option("--metric", help="The score; the task's primary metric otherwise.")
@click.option(
    "--cost", default="seconds", show_default=True, help="What to trade: seconds, nfe, ttft, ..."
)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw it: .svg, .pdf or .png.")
@click.option("--out", required=True, help="Folder of the runs and of sweep.json.")
def command(
    *,
    task: str,
    model: str,
    vary: tuple[str, ...],
    model_args: tuple[str, ...],
    task_options: tuple[str, ...],
    limit: int | None,
    seed: int | None,
    batch_size: int | None,
    retry_errors: bool,
    metric: str | None,
    cost: str,
    plot: Path | None,
    out: str,
) -> None:
    """Run a task at every combination of settings, and show score against cost.

    Each setting is an ordinary run in OUT; the same command resumes. All settings see the same
    samples and seeds.
    """
    from harness.cli.flags import read_flags
    from harness.cli.sweep_table import sweep_table
    from harness.run import make_progress
    from harness.runfile import RunFile, make_spec
    from harness.sweep import read_vary, sweep

    flags = read_flags(
        tasks=(task,),
        model=model,
        model_args=model_args,
        label=None,
        task_options=[f"{task}.{pair}" for pair in task_options],
        limit=limit,
        seed=seed,
        batch_size=batch_size,
        retry_errors=retry_errors or None,
        out=out,
    )
    report = sweep(
        make_spec(RunFile(), flags),
        read_vary(vary),
        cost=cost,
        metric=metric,
        progress=make_progress,
        command=["cheers-bench", *sys.argv[1:]],
    )
    click.echo(sweep_table(report))
    click.echo(f"\nwrote {out}/sweep.json", err=True)
    if plot is not None:
        _draw([Path(out) / point.folder for point in report.points], plot, metric, cost)


def _draw(folders: list[Path], plot: Path, metric: str | None, cost: str) -> None:
    from harness.plot import PlotSettings, draw

    for note in draw("pareto", folders, plot, PlotSettings(metric=metric, cost=cost)):
        click.echo(note, err=True)
    click.echo(f"wrote {plot}", err=True)
