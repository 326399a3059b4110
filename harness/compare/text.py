"""A comparison as Markdown and JSON. Labels and reasons are hostile input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from harness.compare.flips import FlipGroup, by_direction, by_task
from harness.compare.numbers import readable
from harness.compare.records import Comparison, Difference, Flip
from harness.layout import json_text, table_row
from harness.text import markdown, one_line

__all__ = ["to_json", "to_markdown"]

_HEAD = (
    *("task", "first", "second", "difference", "95% interval", "p", "verdict"),
    *("detectable", "flips", "n"),
)
_FLIPS_SHOWN = 10
_REASON = 90


def to_json(comparison: Comparison) -> str:
    """The whole comparison at full precision."""
    return json_text(comparison)


def to_markdown(comparison: Comparison) -> str:
    """The tables of differences, what was left out, and some flipped samples of each task."""
    parts = (_table(comparison), [""], _legend(comparison), _categories(comparison))
    return "\n".join([*chain(*parts), *_flips(comparison), ""])


def _table(comparison: Comparison) -> Iterator[str]:
    first, second = (markdown(side.label) for side in (comparison.first, comparison.second))
    yield f"{second} (second) compared with {first} (first)"
    yield ""
    yield from _rows(comparison.differences)


def _categories(comparison: Comparison) -> Iterator[str]:
    if comparison.categories:
        yield from ("", "By category; p is adjusted for the categories of a task (Holm).", "")
        yield from _rows(comparison.categories)


def _rows(differences: Sequence[Difference]) -> Iterator[str]:
    yield table_row(_HEAD)
    yield table_row(("---", *["---:"] * 5, "---", *["---:"] * 3))
    for difference in differences:
        texts = readable(difference)
        cells = (*texts[:6], texts.change, texts.detectable, texts.flips, texts.n)
        yield table_row((markdown(cells[0]), *cells[1:]))


def _legend(comparison: Comparison) -> Iterator[str]:
    yield (
        "Differences are second minus first over the same samples; fractions in percent, clustered "
        "by prompt. p is adjusted for the number of tasks (Holm), in brackets where it isn't. "
        "Detectable: the smallest true difference found with a chance of 80%. Flips: samples that "
        "score higher in the second (+) and in the first (-), of bounded scores."
    )
    if comparison.timings:
        yield f"- timings aren't judged: {markdown(comparison.timings)}"
    for skipped in comparison.skipped:
        yield f"- {markdown(skipped.task)} isn't compared: {markdown(skipped.reason)}"


def _flips(comparison: Comparison) -> Iterator[str]:
    for task, flips in by_task(comparison.flips).items():
        groups = by_direction(flips)
        counts = "; ".join(group.title for group in groups)
        yield from ("", f"Samples of {markdown(task)} that ended differently: {counts}.")
        for group in groups:
            yield from _group(group)


def _group(group: FlipGroup) -> Iterator[str]:
    if not group.flips:
        return
    yield from ("", f"{group.title}:", "")
    yield from (_flip(flip) for flip in group.flips[:_FLIPS_SHOWN])
    if len(group.flips) > _FLIPS_SHOWN:
        yield f"- and {len(group.flips) - _FLIPS_SHOWN} more (`--format json` lists all)"


def _flip(flip: Flip) -> str:
    reason = flip.second_reason or flip.first_reason
    category = f" {markdown(flip.category)}" if flip.category else ""
    why = f": {markdown(one_line(reason)[-_REASON:])}" if reason else ""
    name = markdown(f"{flip.id}#{flip.k}")
    return f"- {name}{category}: {flip.first.value} → {flip.second.value}{why}"
