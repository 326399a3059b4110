"""`cheers-bench noise`: how much do a task's scores differ between seeds?"""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command("noise")
@click.option("--task", required=True, help="Task to repeat.")
@click.option("--model", required=True, help="Registered model, NAME:LOCATION, or FILE.py:CLASS.")
@click.option("--seeds", "count", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--first-seed", type=int, default=0, show_default=True, help="The others follow it.")
@click.option("--model-arg", "model_args", multiple=True, metavar="K=V", help="Model argument.")
@click.option("--task-option", "task_options", multiple=True, metavar="K=V", help="Task option.")
@click.option("--limit", type=click.IntRange(min=1), help="Most samples.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Requests per batch.")
@click.option("--retry-errors", is_flag=True, help="Ask again where a sample failed.")
@click.option("--out", required=True, help="Folder of the runs and of noise.json.")
def command(
    *,
    task: str,
    model: str,
    count: int,
    first_seed: int,
    model_args: tuple[str, ...],
    task_options: tuple[str, ...],
    limit: int | None,
    batch_size: int | None,
    retry_errors: bool,
    out: str,
) -> None:
    """Repeat a task over seeds, and write the spread between them to OUT/noise.json.

    The same command resumes. A policy of `cheers-bench gate` takes the file as `noise`.
    """
    from harness.cli.flags import read_flags
    from harness.cli.noise_table import noise_table
    from harness.noise.repeating import repeat
    from harness.run import make_progress
    from harness.runfile import RunFile, make_spec

    flags = read_flags(
        tasks=(task,),
        model=model,
        model_args=model_args,
        label=None,
        task_options=[f"{task}.{pair}" for pair in task_options],
        limit=limit,
        batch_size=batch_size,
        retry_errors=retry_errors or None,
        out=out,
    )
    seeds = range(first_seed, first_seed + count)
    words = ["cheers-bench", *sys.argv[1:]]
    report = repeat(make_spec(RunFile(), flags), task, seeds, progress=make_progress, command=words)
    click.echo(noise_table(report))
    click.echo(f"\nwrote {out}/noise.json", err=True)
