"""Contrast of the page's colours, computed from its style: WCAG 2.2, level AA."""

import re

import pytest

from harness.report.bundle import stylesheet

VARIABLE = re.compile(r"--([\w-]+):\s*(#[0-9a-f]{3,6})\b")
GROUNDS = ("ground", "raised", "shade")
INKS = ("ink", "soft", "accent", "warn")
VERDICTS = ("ok", "wrong", "unparsed", "judge_failed", "errored", "missing")
EDGES = ("edge", "accent")


def _themes() -> dict[str, dict[str, str]]:
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for block in re.finditer(
        r"(@media \(prefers-color-scheme: dark\) \{\s*)?:root \{(.*?)\}", stylesheet(), re.DOTALL
    ):
        (dark if block[1] else light).update(VARIABLE.findall(block[2]))
    return {"light": light, "dark": {**light, **dark}}


THEMES = _themes()


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_that_of_the_guidelines():
    assert _contrast("#000", "#fff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_both_themes_name_every_colour():
    assert set(THEMES["light"]) == set(THEMES["dark"])
    assert THEMES["light"]["ground"] != THEMES["dark"]["ground"]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("ink", [*INKS, *(f"v-{name}" for name in VERDICTS)])
def test_text_can_be_read(theme: str, ground: str, ink: str):
    assert _contrast(THEMES[theme][ink], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("edge", EDGES)
def test_edges_of_controls_and_marks_can_be_seen(theme: str, edge: str):
    for ground in GROUNDS:
        assert _contrast(THEMES[theme][edge], THEMES[theme][ground]) >= 3
