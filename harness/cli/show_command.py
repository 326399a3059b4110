"""`cheers-bench show`: single samples of a run, or all that is known about a model."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from harness.cli.layout import columns, safe
from harness.errors import SpecError
from harness.records import Verdict

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.ledger.ledger import Entry

__all__ = ["command"]


@click.command("show")
@click.argument("folder", metavar="DIR|model", type=click.Path(path_type=Path))
@click.argument("model", metavar="[NAME]", required=False)
@click.option("--task", help="Task; may be left out where the run has one.")
@click.option("--sample", help="Sample id; without it, samples are listed.")
@click.option("--k", type=int, default=0, show_default=True, help="Repeat index of the sample.")
@click.option("--verdict", type=click.Choice([v.value for v in Verdict]), help="Only this verdict.")
@click.option("-n", "count", type=int, default=20, show_default=True, help="Samples to list.")
@click.option("--model-arg", "model_args", multiple=True, metavar="K=V", help="Model argument.")
@click.option(
    "--resolution",
    "resolutions",
    multiple=True,
    metavar="WxH",
    help="With a model: pictures whose vision tokens to tell; may be repeated.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def command(
    folder: Path,
    model: str | None,
    task: str | None,
    sample: str | None,
    k: int,
    verdict: str | None,
    count: int,
    model_args: tuple[str, ...],
    resolutions: tuple[str, ...],
    format_: str,
) -> None:
    """Look at a sample of the run DIR: prompt, response, verdict and why.

    `show model NAME` tells what is known about a model: capabilities, licence, parameters by part,
    decoding defaults, vision tokens by resolution. A model that needs a checkpoint is written
    NAME:LOCATION; without it there is only its card.
    """
    from harness.ledger import Ledger

    if model is not None:
        _refuse_other(folder, model)
        _show_model(model, model_args, resolutions, format_)
        return
    if model_args or resolutions or format_ != "text":
        raise SpecError(
            "--model-arg, --resolution and --format are about a model",
            "write show model NAME, or `cheers-bench export` for samples as JSON",
        )
    with Ledger.open(folder) as ledger:
        name = _task(ledger, task)
        if sample is None:
            click.echo(_listing(ledger, name, verdict, count))
        else:
            click.echo(_details(folder, ledger.sample(name, sample, k), _data(folder, name)))


def _refuse_other(folder: Path, model: str) -> None:
    if str(folder) != "model":
        raise SpecError(f"two things to show: {folder} and {model}", "write show model NAME")


def _show_model(
    model: str, args: tuple[str, ...], resolutions: tuple[str, ...], format_: str
) -> None:
    from harness.cli.flags import read_flags
    from harness.cli.model_card import card_text
    from harness.layout import json_text
    from harness.modelcard import RESOLUTIONS, report_model

    flags = read_flags(tasks=(), model=model, model_args=args, label=None, task_options=())
    sizes = tuple(map(_resolution, resolutions)) or RESOLUTIONS
    report = report_model(flags["model"], sizes)
    click.echo(json_text(report) if format_ == "json" else card_text(report), nl=format_ == "text")


def _resolution(text: str) -> tuple[int, int]:
    width, times, height = text.partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise SpecError(f"{text!r} is no resolution", "write width and height as 512x384")
    return int(width), int(height)


def _task(ledger: Ledger, task: str | None) -> str:
    names = ledger.tasks()
    if task is None and len(names) == 1:
        return names[0]
    if task not in names:
        wrong = f"the run has no task {task!r}" if task else "the run has several tasks"
        raise SpecError(wrong, f"give --task; it has {', '.join(names)}")
    return task


def _listing(ledger: Ledger, task: str, verdict: str | None, count: int) -> str:
    entries = (entry for entry in ledger.entries(task) if verdict in (None, _verdict(entry)))
    rows = [
        [entry.sample.id, str(entry.sample.k), _verdict(entry), _line(entry)]
        for entry in islice(entries, count)
    ]
    return columns([["sample", "k", "verdict", "response"], *rows])


def _verdict(entry: Entry) -> str:
    return entry.outcome.verdict.value if entry.outcome else Verdict.MISSING.value


def _line(entry: Entry) -> str:
    response = entry.response
    if response is None:
        return "-"
    return safe(response.text or response.image_path or str(response.loglikelihoods), 200).replace(
        "\n", " "
    )


def _data(folder: Path, task: str) -> str:
    """Which data a task's samples are of, and under which licence."""
    from harness.ledger import read_manifest

    dataset = next(p.protocol.dataset for p in read_manifest(folder).tasks if p.task == task)
    return f"{safe(dataset.name)}, licence {safe(dataset.licence)}"


def _details(folder: Path, entry: Entry, data: str) -> str:
    parts = [f"sample   {safe(entry.sample.id)} (k = {entry.sample.k})", f"data     {data}"]
    parts.append(f"verdict  {_verdict(entry)}")
    if entry.outcome:
        parts += [f"reason   {safe(entry.outcome.reason)}"] if entry.outcome.reason else []
        parts += [f"scores   {_json(entry.outcome.scores)}"] if entry.outcome.scores else []
        parts += [f"details  {_json(entry.outcome.details)}"] if entry.outcome.details else []
    parts.append(f"target   {_json(entry.sample.target)}")
    parts += [f"\nprompt\n{safe(entry.prompt)}"] if entry.prompt else []
    if entry.response and entry.response.image_path:
        parts.append(f"\nimage    {folder / entry.response.image_path}")
    if entry.response and entry.response.text is not None:
        parts.append(f"\nresponse ({entry.response.finish_reason})\n{safe(entry.response.text)}")
    return "\n".join(parts)


def _json(value: object) -> str:
    return safe(msgspec.json.encode(value).decode())
