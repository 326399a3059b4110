"""The text of `data show`: short, whole, and safe whatever a file holds."""

from __future__ import annotations

import msgspec
import pytest

from harness.cli.data_report import report
from harness.data import Finding, Kind, Spread, TableStats

STATS = TableStats(
    rows=1234,
    images=1000,
    rows_without_image=3,
    width=Spread(low=1, p5=2, median=300, p95=4000, high=50000),
    height=None,
    question_length=None,
    options={"4": 1200, "2": 34},
    answers=dict.fromkeys("ABCDEFGHIJ", 1),
    categories={"": 2, "two\nlines\x1b[31m": 1},
    subcategories={},
)


def finding(row: int | None, kind: Kind = Kind.LEAK, **changes: str) -> Finding:
    plain = Finding(row=row, index=str(row), kind=kind, what=f"what {row}", remedy=f"mend {kind}")
    return msgspec.structs.replace(plain, **changes)


def lines(*findings: Finding, count: int = 2) -> list[str]:
    return report("t.tsv", STATS, findings, count).splitlines()


def test_numbers_are_readable():
    text = lines()
    assert text[0] == "t.tsv"
    assert "  rows             1,234" in text
    assert "  width in pixels  1 to 50,000, 90% 2 to 4,000, median 300" in text
    assert "  height           -" in text
    assert "  options          4: 1,200, 2: 34" in text
    assert text[-1] == "no findings"


def test_long_lists_are_cut_and_control_characters_are_gone():
    text = lines()
    assert any(line.endswith("H: 1, and 2 more") for line in text)
    assert "  categories       (none): 2, two lines [31m: 1" in text


def test_findings_are_grouped_counted_and_have_one_remedy():
    text = lines(finding(1), finding(2), finding(3), finding(None, Kind.NO_ANSWERS, index=""))
    start = text.index("leak: 3")
    assert text[start : start + 5] == [
        "leak: 3",
        "  row 1 (index 1): what 1",
        "  row 2 (index 2): what 2",
        "  ... and 1 more (-n shows them, --format json all)",
        "  remedy: mend leak",
    ]
    assert text[start + 5 :] == ["no-answers: 1", "  what None", "  remedy: mend no-answers"]


@pytest.mark.parametrize("text", ["a\nb", "\x1b]8;;http://x\x07", "\u202eabc"])
def test_a_finding_is_one_line_without_tricks(text: str):
    (shown,) = [line for line in lines(finding(1, what=text, index=text)) if "row 1" in line]
    assert shown.isprintable()
