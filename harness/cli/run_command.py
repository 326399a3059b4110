"""`cheers-bench run`: evaluate a model, or go on with a run that was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.engine_flags import engine_options, read_engine
from harness.errors import SpecError

if TYPE_CHECKING:
    from harness.engines.forecast import Forecast
    from harness.run import Plan

__all__ = ["command"]


@click.command("run")
@click.option("--suite", help="Suite to run.")
@click.option("--task", "tasks", multiple=True, help="Task to run; may be repeated.")
@click.option("--model", help="Registered model, NAME:LOCATION, or FILE.py:CLASS.")
@click.option("--model-arg", "model_args", multiple=True, metavar="K=V", help="Model argument.")
@click.option("--label", help="Row name in tables.")
@click.option(
    "--task-option", "task_options", multiple=True, metavar="TASK.K=V", help="Task option."
)
@click.option("--limit", type=click.IntRange(min=1), help="Most samples of each task.")
@click.option("--seed", type=int, help="Base seed.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Requests per batch.")
@click.option("--retry-errors", is_flag=True, default=None, help="Ask again where a sample failed.")
@click.option("--config", type=click.Path(path_type=Path), help="Run file (YAML); flags win.")
@engine_options
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option(
    "--timings",
    type=click.Path(path_type=Path),
    help="With --dry-run: a run of this model, to take times from.",
)
@click.option("--out", help="Run folder; an existing run there is continued.")
def command(*, config: Path | None, dry_run: bool, timings: Path | None, **flags: Any) -> None:
    """Evaluate a model on a suite or on single tasks.

    The same command on an existing folder resumes: nothing that was finished is done again.
    """
    from harness.cli.carrying_out import carry_out
    from harness.cli.flags import read_flags
    from harness.run import plan
    from harness.runfile import RunFile, make_spec, read_run_file

    file = read_run_file(config) if config else RunFile()
    spec = make_spec(file, read_flags(**read_engine(flags)))
    if dry_run:
        click.echo(_describe(plan(spec, timings)))
        return
    if timings is not None:
        raise SpecError("--timings is for --dry-run", "add --dry-run, or leave it out")
    carry_out(spec)


def _describe(plan: Plan) -> str:
    from harness.cli.layout import columns

    head = ["task", "protocol", "samples", "to do", "tokens in/out ≤", "images in/out", "time"]
    rows = [head]
    for work in plan.tasks:
        if not work.applicable:
            lacks = ", ".join(work.missing)
            rows.append([work.task, work.protocol_hash, "-", "-", "-", "-", f"n/a: lacks {lacks}"])
            continue
        rows.append(
            [
                work.task,
                work.protocol_hash,
                f"{work.samples:,}",
                f"{work.requests:,}",
                f"{work.prompt_tokens_at_most:,} / {work.completion_tokens_at_most:,}",
                f"{work.images_in:,} / {work.images_out:,}",
                _seconds(work.seconds),
            ]
        )
    action = "continues the run in" if plan.resumes else "would start a run in"
    return (
        f"{plan.model}, seed {plan.seed}: {action} {plan.out}\n\n{columns(rows, cut=False)}\n\n"
        f"estimated time{' on one worker' if plan.workers else ''}: {_seconds(plan.seconds)}"
        f"{_spread(plan)}"
    )


def _spread(plan: Plan) -> str:
    if plan.workers is None:
        return ""
    if plan.forecast is None:
        return (
            f"\n{plan.workers} workers: unknown until samples have been timed; "
            "--timings names a run that has"
        )
    return "\n" + _forecast(plan.forecast)


def _forecast(made: Forecast) -> str:
    return (
        f"{made.workers:,} workers: {made.shards:,} shards of at most {made.largest:,} samples, "
        f"about {made.makespan_s:,.4g} s once the workers are ready (at least "
        f"{made.bound_s:,.4g} s while each shard stays with one worker)\n"
        f"idle {made.idle_share:.1%}, tail {made.tail_s:,.4g} s, efficiency "
        f"{made.efficiency:.1%} of at most {made.ceiling:.1%}"
    )


def _seconds(seconds: float | None) -> str:
    return "unknown until samples have been timed" if seconds is None else f"about {seconds:,.0f} s"
