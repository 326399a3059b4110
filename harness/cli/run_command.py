"""`cheers-bench run`: evaluate a model, or go on with a run that was stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import SpecError
from harness.records import JsonValue

if TYPE_CHECKING:
    from harness.run import Plan
    from harness.runspec import TaskRef

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
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--out", help="Run folder; an existing run there is continued.")
def command(*, config: Path | None, dry_run: bool, **flags: Any) -> None:
    """Evaluate a model on a suite or on single tasks.

    The same command on an existing folder resumes: nothing that was finished is done again.
    """
    from harness.run import execute, make_progress, plan
    from harness.runfile import RunFile, make_spec, read_run_file

    file = read_run_file(config) if config else RunFile()
    spec = make_spec(file, _flags(**flags))
    if dry_run:
        click.echo(_describe(plan(spec)))
        return
    with make_progress() as progress:
        execute(spec, progress=progress, command=["cheers-bench", *sys.argv[1:]])
    from harness.cli.results import results_table

    click.echo(results_table(Path(spec.out)))


def _flags(
    *,
    tasks: Sequence[str],
    model: str | None,
    model_args: Sequence[str],
    label: str | None,
    task_options: Sequence[str],
    **others: Any,
) -> dict[str, Any]:
    from harness.models import model_ref

    if model is None and (model_args or label):
        raise SpecError("--model-arg and --label need --model", "name the model on the same line")
    ref = None if model is None else model_ref(model, _pairs(model_args), label)
    return {**others, "model": ref, "tasks": _tasks(tasks, _pairs(task_options))}


def _tasks(names: Sequence[str], options: dict[str, JsonValue]) -> tuple[TaskRef, ...]:
    from harness.runspec import TaskRef

    by_task: dict[str, dict[str, JsonValue]] = {name: {} for name in names}
    for key, value in options.items():
        task, _, option = key.rpartition(".")
        if task not in by_task:
            raise SpecError(
                f"--task-option {key}={value}: no --task {task!r} on this command line",
                f"it reads TASK.OPTION=VALUE; tasks here: {', '.join(by_task) or 'none'}",
            )
        by_task[task][option] = value
    return tuple(TaskRef(task=name, options=given) for name, given in by_task.items())


def _pairs(texts: Sequence[str]) -> dict[str, JsonValue]:
    """`K=V` with V read as YAML, so that numbers and true/false have their types."""
    import yaml

    pairs: dict[str, JsonValue] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SpecError(f"{text!r} isn't KEY=VALUE", "write for example steps=20")
        try:
            pairs[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            pairs[key] = value
    return pairs


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
        f"estimated time: {_seconds(plan.seconds)}"
    )


def _seconds(seconds: float | None) -> str:
    return "unknown until samples have been timed" if seconds is None else f"about {seconds:,.0f} s"
