"""`cheers-bench score`: judge stored responses again, also by other rules, or foreign images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from harness.errors import SpecError

__all__ = ["command"]

_PLAYER = "recorded"  # the registered model that serves the images of a folder


@click.command("score")
@click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--task", help="Score DIR as a folder of images made for this task.")
@click.option("--suite", help="With --out: score as this suite does.")
@click.option("--out", help="Run folder to write; the run in DIR isn't changed.")
@click.option("--label", help="With --task: row name in tables.")
@click.option(
    *("--task-option", "task_options"),
    multiple=True,
    metavar="[TASK.]K=V",
    help="With --task: K=V, its option. With --out alone: TASK.K=V, score by another rule.",
)
@click.option(
    "--accept", help="With --task: flaws of images to accept, as jpeg,exif,size,unlabelled."
)
@click.option(
    "--model-arg", "model_args", multiple=True, metavar="K=V", help="With --task: as size=512x512."
)
@click.option("--limit", type=click.IntRange(min=1), help="With --task: most samples.")
def command(
    folders: tuple[Path, ...], *, task: str | None, suite: str | None, **flags: Any
) -> None:
    """Score the stored responses of runs again; the model isn't needed.

    With --out, DIR is a run whose responses are scored by other rules, those of a --suite or of
    --task-option, into a run of their own.

    With --task, DIR is a folder of images in the benchmark's own layout, from whatever program;
    the same as `run --model recorded:DIR --task TASK`.
    """
    if task is not None:
        _score_images(folders, task, **flags)
        return
    out, rules = flags["out"], flags["task_options"]
    if out is not None and (suite or rules) and len(folders) == 1:
        _score_otherwise(folders[0], Path(out), suite, rules)
        return
    if suite:
        raise SpecError(
            "score --suite takes one run and --out",
            f"cheers-bench score {folders[0]} --suite {suite} --out runs/NAME",
        )
    given = [name for name, value in flags.items() if value]
    if given:
        raise SpecError(
            f"--{given[0].replace('_', '-')} needs --task",
            "name the task of the images",
        )
    _rescore(folders)


def _rescore(folders: Sequence[Path]) -> None:
    from harness.cli.results import results_table
    from harness.run import make_progress, rescore

    for folder in folders:
        with make_progress() as progress:
            rescore(folder, progress=progress)
        click.echo(results_table(folder))


def _score_otherwise(folder: Path, out: Path, suite: str | None, rules: Sequence[str]) -> None:
    from harness.cli.flags import read_options
    from harness.cli.results import results_table
    from harness.ledger import read_manifest
    from harness.registry import suites
    from harness.run import make_progress, score_otherwise

    entries = suites().get(suite).entries if suite else ()
    options = {entry.task: dict(entry.options) for entry in entries}
    there = [plan.task for plan in read_manifest(folder).tasks]
    for name, given in read_options(rules, there).items():
        options[name] = {**options.get(name, {}), **given}
    with make_progress() as progress:
        score_otherwise(
            folder, out, options, progress=progress, command=["cheers-bench", *sys.argv[1:]]
        )
    click.echo(results_table(out))


def _score_images(
    folders: Sequence[Path],
    task: str,
    *,
    out: str | None,
    label: str | None,
    task_options: Sequence[str],
    accept: str | None,
    model_args: Sequence[str],
    limit: int | None,
) -> None:
    from harness.cli.carrying_out import carry_out
    from harness.cli.flags import read_flags
    from harness.runfile import RunFile, make_spec

    if len(folders) != 1 or out is None:
        raise SpecError(
            f"score --task {task} takes one folder of images and --out",
            f"cheers-bench score IMAGES --task {task} --out runs/NAME",
        )
    flags = read_flags(
        tasks=[task],
        model=f"{_PLAYER}:{folders[0]}",
        model_args=[*model_args, *([] if accept is None else [f"accept={accept}"])],
        label=label,
        task_options=[f"{task}.{pair}" for pair in task_options],
        out=out,
        limit=limit,
    )
    carry_out(make_spec(RunFile(), flags))
