"""A table's statistics and findings as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.data import Finding, Spread, TableStats
from harness.text import one_line

__all__ = ["report"]


def report(name: str, stats: TableStats, findings: Sequence[Finding], count: int) -> str:
    """Statistics, then findings, of each kind the first `count`."""
    return "\n".join([name, *_statistics(stats), "", *_findings(findings, count)])


def _statistics(stats: TableStats) -> Iterator[str]:
    yield f"  rows             {stats.rows:,}"
    yield f"  different images {stats.images:,}"
    yield f"  without an image {stats.rows_without_image:,}"
    yield f"  width in pixels  {_spread(stats.width)}"
    yield f"  height           {_spread(stats.height)}"
    yield f"  question length  {_spread(stats.question_length)}"
    yield f"  options          {_counts(stats.options)}"
    yield f"  answers          {_counts(stats.answers)}"
    yield f"  categories       {_counts(stats.categories)}"
    yield f"  subcategories    {_counts(stats.subcategories)}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    ends = f"{spread.low:,} to {spread.high:,}, 90% {spread.p5:,} to {spread.p95:,}"
    return f"{ends}, median {spread.median:,}"


def _counts(counts: Mapping[str, int], shown: int = 8) -> str:
    parts = [f"{one_line(text)[:40] or '(none)'}: {n:,}" for text, n in counts.items()]
    more = [f"and {len(parts) - shown} more"] if len(parts) > shown else []
    return ", ".join([*parts[:shown], *more]) or "-"


def _findings(findings: Sequence[Finding], count: int) -> Iterator[str]:
    if not findings:
        yield "no findings"
    totals = Counter(finding.kind for finding in findings)
    for kind, total in totals.items():
        some = [finding for finding in findings if finding.kind is kind]
        yield f"{kind.value}: {total:,}"
        for finding in some[:count]:
            yield f"  {_where(finding)}{one_line(finding.what)}"
        if total > count:
            yield f"  ... and {total - count:,} more (-n shows them, --format json all)"
        yield f"  remedy: {some[0].remedy}"


def _where(finding: Finding) -> str:
    if finding.row is None:
        return ""
    index = f" (index {one_line(finding.index)[:40]})" if finding.index else ""
    return f"row {finding.row}{index}: "
