"""Written numbers: one scale per metric, no minus sign on a zero, no exponents for scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.numbers import MILLISECONDS, PERCENT, Writer, number_writer, unit_writer
from harness.records import MetricSpec

PLAIN = Writer(1, "", None)


@pytest.mark.parametrize(
    ("write", "value", "plain", "signed"),
    [
        (PERCENT, 0.5, "50.0", "+50.0"),
        (PERCENT, -0.0001, "0.0", "+0.0"),
        (PERCENT, -0.25, "-25.0", "-25.0"),
        (PLAIN, 2113.4, "2,113", "+2,113"),
        (PLAIN, -2113.4, "-2,113", "-2,113"),
        (PLAIN, -0.0, "0", "+0"),
        (PLAIN, 0.012345, "0.0123", "+0.0123"),
        (unit_writer("dB"), 33.04, "33 dB", "+33 dB"),
        (MILLISECONDS, 0.0421, "42.1 ms", "+42.1 ms"),
    ],
)
def test_numbers(write: Writer, value: float, plain: str, signed: str):
    assert (write(value), write(value, sign=True)) == (plain, signed)


def test_what_isnt_known_is_a_question_mark():
    assert PERCENT(None) == unit_writer("s")(None) == "?"


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"low": 0.0, "high": 1.0}, "40.0"),
        ({"low": 0.0, "high": None}, "0.4"),
        ({"low": 0.0, "high": 1.0, "unit": "s"}, "0.4 s"),
        ({"low": None, "high": None, "unit": "dB"}, "0.4 dB"),
    ],
)
def test_only_fractions_are_in_percent(metric: dict[str, object], expected: str):
    assert number_writer(MetricSpec(name="m", score="s", **metric))(0.4) == expected


@given(st.floats(-1e6, 1e6), st.sampled_from([PERCENT, PLAIN, MILLISECONDS]))
def test_what_is_written_is_near_the_number(value: float, write: Writer):
    text = write.bare(value, sign=True).replace(",", "")
    assert float(text) / write.factor == pytest.approx(value, rel=0.006, abs=0.06 / write.factor)
    assert not text.startswith("-0.0") or float(text) != 0
