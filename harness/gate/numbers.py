"""A gate's verdicts as people read them."""

from __future__ import annotations

from typing import NamedTuple

from harness.gate.records import GateReport, GateVerdict, MetricVerdict, Saving
from harness.numbers import Writer, number_writer

__all__ = ["ReadableVerdict", "headline", "readable", "remarks", "sentence"]

_RATIO = Writer(1, "x", 2)


class ReadableVerdict(NamedTuple):
    """The texts of one row."""

    name: str
    """Task, and the metric if it isn't the primary one."""

    verdict: str
    """The verdict, and whether it fails the gate."""

    baseline: str
    """The baseline's value."""

    candidate: str
    """The candidate's value."""

    change: str
    """Difference or ratio, with its interval."""

    margin: str
    """What is tolerated."""

    sees: str
    """Smallest drop that the gate finds in 8 of 10 cases."""

    n: str
    """Paired samples in clusters."""


def readable(found: MetricVerdict) -> ReadableVerdict:
    """The texts of one row; fractions are in percent, their differences in points."""
    write = number_writer(found.metric)
    limit = _RATIO if found.is_ratio else write
    primary = found.primary
    clustered = "" if found.clusters == found.n else f" in {found.clusters}"
    return ReadableVerdict(
        name=found.task if primary else f"{found.task} {found.metric.name}",
        verdict=_verdict(found),
        baseline="" if found.baseline is None else write(found.baseline),
        candidate="" if found.candidate is None else write(found.candidate),
        change=_change(found, limit),
        margin="" if found.margin is None else limit(found.margin),
        sees="" if found.detectable is None else write(found.detectable),
        n=f"{found.n}{clustered}" if found.n else "",
    )


def headline(report: GateReport) -> str:
    """The outcome in one line."""
    counts = {
        verdict: sum(found.verdict is verdict for found in report.metrics)
        for verdict in GateVerdict
    }
    parts = [f"{count} {verdict.value}" for verdict, count in counts.items() if count]
    parts += [f"{one.field} differs" for one in report.changed if one.fails]
    return f"gate {report.outcome}: {', '.join(parts) or 'nothing to judge'}"


def sentence(found: MetricVerdict) -> str:
    """A verdict in one line, for messages."""
    text = readable(found)
    if found.verdict is GateVerdict.UNJUDGED:
        return f"{text.name}: could not judge: {found.reason}"
    numbers = f"{text.baseline} to {text.candidate}, {text.change}"
    sees = f"; this gate sees a drop of {text.sees}" if text.sees else ""
    return f"{text.name}: {found.verdict.value}, {numbers}{sees}"


def remarks(report: GateReport) -> list[str]:
    """What the table doesn't say: reasons, floors, savings, changes, tasks left out."""
    lines = [f"{readable(m).name}: {note}" for m in report.metrics for note in _notes(m)]
    for one in report.changed:
        wanted = ", which the policy wants the same" if one.fails else ""
        lines.append(f"{one.field} differs{wanted}: {'; '.join(one.details)}")
    lines += [f"{one.task} isn't gated: {one.reason}" for one in report.ignored]
    return lines


def _verdict(found: MetricVerdict) -> str:
    failing = found.fails and found.verdict is not GateVerdict.REGRESSED
    return f"{found.verdict.value} (fails)" if failing else found.verdict.value


def _change(found: MetricVerdict, write: Writer) -> str:
    if found.difference is None:
        return ""
    sign = not found.is_ratio
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" [{write(found.low, sign=sign)}, {write(found.high, sign=sign)}]"
    return write(found.difference, sign=sign) + interval


def _notes(found: MetricVerdict) -> list[str]:
    write = number_writer(found.metric)
    notes = [found.reason] if found.reason else []
    if found.unknown and found.verdict is not GateVerdict.UNJUDGED:
        notes.append(_left_out(found, write))
    if found.floor is not None:
        notes.append(_floor(found, found.floor, write))
    if found.saving is not None:
        notes.append(_saving(found.saving))
    return [*notes, found.saving_note] if found.saving_note else notes


def _left_out(found: MetricVerdict, write: Writer) -> str:
    text = f"{found.unknown} samples without a score are left out"
    if found.bound_low is None or found.bound_high is None:
        return text
    low, high = (write(end, sign=True) for end in (found.bound_low, found.bound_high))
    return f"{text}; counted against and for the candidate, the difference is {low} or {high}"


def _floor(found: MetricVerdict, floor: float, write: Writer) -> str:
    text = f"two seeds of one model exceed a difference of {write(floor)} with a chance of 5%"
    if found.raised_from is None:
        return text
    return f"{text}: margin raised from {write(found.raised_from)} to {write(floor)}"


def _saving(saving: Saving) -> str:
    if saving.verdict is GateVerdict.UNDECIDED:
        return f"one at a time, undecided after all {saving.clusters} clusters"
    return (
        f"one at a time, {saving.verdict.value} after {saving.looked_at} of {saving.clusters} "
        f"clusters; {saving.saved:.0%} saved"
    )
