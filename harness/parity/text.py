"""A parity report as Markdown and JSON. Names and responses are hostile input."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare import Difference
from harness.compare.numbers import readable
from harness.layout import json_text, table_row
from harness.numbers import number_writer
from harness.parity.records import Apart, Measure, Parity, TaskParity, Weights
from harness.text import markdown, one_line

__all__ = ["to_json", "to_markdown"]

_SHOWN = 10
_SAID = 140
_MEASURES = ("what", "value", "95% interval", "largest", "n")
_SCORES = ("metric", "first", "second", "difference", "95% interval", "flips", "n")
_WEIGHTS = {
    Weights.EQUAL: "The weights are the same (sha256).",
    Weights.DIFFERENT: "The weights differ (sha256), so this isn't about the backends alone.",
    Weights.UNKNOWN: "Whether the weights are the same isn't known: a backend doesn't tell.",
}


def to_json(parity: Parity) -> str:
    """The whole report at full precision, every differing sample listed."""
    return json_text(parity)


def to_markdown(parity: Parity) -> str:
    """Agreement, distances and scores of each task, then the samples that differ."""
    lines = [*_head(parity)]
    for task in parity.tasks:
        lines += ["", *_task(task)]
    for skipped in parity.skipped:
        lines += ["", f"- {markdown(skipped.task)} isn't compared: {markdown(skipped.reason)}"]
    return "\n".join([*lines, ""])


def _head(parity: Parity) -> Iterator[str]:
    for place, side in (("First", parity.first), ("second", parity.second)):
        print_ = side.fingerprint
        what = f"{print_.model} in {print_.dtype} on {print_.device}"
        yield f"{place}: {markdown(side.label)} ({markdown(what)}, {markdown(side.folder)})"
    limits = parity.tolerance
    yield (
        f"{_WEIGHTS[parity.weights]} Equal means: the same text but for white space around it, "
        f"log-likelihoods within {limits.nats:g} nats, pixels within {limits.levels} levels of "
        "255. Fractions in percent."
    )


def _task(task: TaskParity) -> Iterator[str]:
    yield f"## {markdown(task.task)}"
    yield ""
    yield f"Protocol {task.protocol_hash}; {_samples(task)}."
    yield ""
    yield from _table(_MEASURES, map(_measure, task.measures))
    yield ""
    yield from _table(_SCORES, map(_score, task.differences))
    yield from _apart(task)


def _samples(task: TaskParity) -> str:
    lacking = {
        "answered by the first alone": task.only_first,
        "answered by the second alone": task.only_second,
        "answered by neither": task.neither,
    }
    more = [f"{count} {what}" for what, count in lacking.items() if count]
    return "; ".join([f"{task.samples} samples answered by both", *more])


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield table_row(head)
    yield table_row(("---", *["---:"] * (len(head) - 1)))
    yield from map(table_row, rows)


def _measure(measure: Measure) -> tuple[str, ...]:
    write, value = number_writer(measure.metric), measure.value
    interval = "" if value.low is None else f"[{write(value.low)}, {write(value.high)}]"
    far = "" if measure.largest is None else f"{write(measure.largest)} ({measure.sample})"
    name = markdown(measure.metric.name)
    return name, write(value.value), interval, markdown(far), str(value.n)


def _score(difference: Difference) -> tuple[str, ...]:
    texts = readable(difference)
    values = (texts.first, texts.second, texts.difference, texts.interval, texts.flips, texts.n)
    return markdown(texts.name), *values


def _apart(task: TaskParity) -> Iterator[str]:
    if not task.apart:
        return
    yield from ("", f"Samples with different responses ({len(task.apart)}):", "")
    yield from map(_line, task.apart[:_SHOWN])
    if len(task.apart) > _SHOWN:
        yield f"- and {len(task.apart) - _SHOWN} more (`--format json` lists all)"


def _line(one: Apart) -> str:
    name = markdown(f"{one.id}#{one.k} {one.category or ''}".strip())
    end = "same verdict" if one.same_verdict else "another verdict"
    return f"- {name}: {markdown(one_line(one.said)[:_SAID])} ({end})"
