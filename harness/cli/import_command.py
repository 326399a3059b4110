"""`cheers-bench import`: score predictions that another toolkit stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

__all__ = ["command"]

_PLAYER = "predictions"  # the registered model that serves the answers of a file


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", required=True, help="Task that the predictions were made for.")
@click.option("--out", required=True, help="Run folder to write.")
@click.option("--label", help="Row name in tables.")
@click.option("--task-option", "task_options", multiple=True, metavar="K=V", help="Task option.")
@click.option(
    "--model-arg",
    "model_args",
    multiple=True,
    metavar="K=V",
    help="How the file is read; failures=as-answers scores failed calls as answers.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Most samples.")
def command(
    file: Path,
    *,
    task: str,
    out: str,
    label: str | None,
    task_options: Sequence[str],
    model_args: Sequence[str],
    limit: int | None,
) -> None:
    """Score FILE, predictions of VLMEvalKit (xlsx, tsv) or lmms-eval (jsonl); no model is needed.

    The same as `run --model predictions:FILE --task TASK`: what comes of it is a run, with
    verdicts, intervals and comparison.
    """
    from harness.cli.carrying_out import carry_out
    from harness.cli.flags import read_flags
    from harness.runfile import RunFile, make_spec

    flags = read_flags(
        tasks=[task],
        model=f"{_PLAYER}:{file}",
        model_args=model_args,
        label=label,
        task_options=[f"{task}.{pair}" for pair in task_options],
        out=out,
        limit=limit,
    )
    carry_out(make_spec(RunFile(), flags))
    _remind(task, task_options)


def _remind(task: str, task_options: Sequence[str]) -> None:
    """A file of predictions doesn't say how the model was asked, so the user has to."""
    from harness.registry import tasks

    default = tasks().get(task).defaults.get("prompt")
    if default is None or any(pair.startswith("prompt=") for pair in task_options):
        return
    click.echo(
        f"note: the protocol says that {task} was asked with prompt={default}; if it wasn't, "
        "import again with --task-option prompt=NAME",
        err=True,
    )
