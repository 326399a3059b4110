"""An agreement as Markdown and JSON. Reasons and names are hostile input."""

from __future__ import annotations

from collections.abc import Iterator

from harness.agreement.records import Agreement, Disagreement, JudgeSide, TaskAgreement
from harness.compare.numbers import readable
from harness.layout import json_text, table_row
from harness.text import markdown, one_line

__all__ = ["to_json", "to_markdown"]

_SHOWN = 20
_REASON = 90
_HEAD = ("metric", "first", "second", "difference", "95% interval", "flips", "n")


def to_json(agreement: Agreement) -> str:
    """The whole agreement at full precision, every disagreement listed."""
    return json_text(agreement)


def to_markdown(agreement: Agreement) -> str:
    """Kappa and differences of each task, then the samples that the judges see differently."""
    lines = [f"First: {markdown(agreement.first)}; second: {markdown(agreement.second)}"]
    for task in agreement.tasks:
        lines += ["", *_task(task)]
    for skipped in agreement.skipped:
        lines += ["", f"- {markdown(skipped.task)} isn't compared: {markdown(skipped.reason)}"]
    return "\n".join([*lines, ""])


def _task(task: TaskAgreement) -> Iterator[str]:
    yield f"## {markdown(task.task)}"
    yield ""
    yield f"- first judge: {_judge(task.first)}"
    yield f"- second judge: {_judge(task.second)}"
    yield f"- {_agreed(task)}"
    yield f"- verdicts (first/second): {_counts(task)}"
    yield ""
    yield table_row(_HEAD)
    yield table_row(("---", *["---:"] * (len(_HEAD) - 1)))
    for difference in task.differences:
        texts = readable(difference)
        values = (texts.first, texts.second, texts.difference, texts.interval)
        yield table_row((markdown(difference.metric.name), *values, texts.flips, texts.n))
    yield from _apart(task)


def _agreed(task: TaskAgreement) -> str:
    if task.agreed is None:
        return f"no sample has a verdict of both ({task.unknown} unknown)"
    unknown = f", {task.unknown} more unknown to one of them" if task.unknown else ""
    return (
        f"they agree on {100 * task.agreed:.1f}% of {task.samples} samples in {task.clusters} "
        f"clusters{unknown}; {_kappa(task)}"
    )


def _kappa(task: TaskAgreement) -> str:
    if task.kappa is None:
        return "kappa is undefined: every verdict is the same"
    if task.kappa_low is None or task.kappa_high is None:
        return f"kappa {task.kappa:.3f}, too few clusters for an interval"
    return f"kappa {task.kappa:.3f} [{task.kappa_low:.3f}, {task.kappa_high:.3f}]"


def _counts(task: TaskAgreement) -> str:
    return ", ".join(f"{count} {pair}" for pair, count in task.counts.items()) or "none"


def _judge(side: JudgeSide) -> str:
    judge = side.judge or side.scorer
    weights = f", weights {judge.weights_sha256[:12]}" if judge.weights_sha256 else ""
    return (
        f"{markdown(judge.id)} {markdown(judge.version)}{weights} (protocol {side.protocol_hash})"
    )


def _apart(task: TaskAgreement) -> Iterator[str]:
    if not task.disagreements:
        return
    yield from ("", f"Samples that they see differently ({len(task.disagreements)}):", "")
    yield from (_line(one) for one in task.disagreements[:_SHOWN])
    if len(task.disagreements) > _SHOWN:
        yield f"- and {len(task.disagreements) - _SHOWN} more (`--format json` lists all)"


def _line(one: Disagreement) -> str:
    why = markdown(one_line(one.second_reason or one.first_reason)[-_REASON:])
    image = f" ({markdown(one.image)})" if one.image else ""
    name, category = markdown(f"{one.id}#{one.k}"), markdown(one.category or "")
    return f"- {name} {category}{image}: {one.first.value} → {one.second.value}: {why}"
