"""Loss curves of a run: a small CSV of averages, and a picture of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Point", "averages", "write_csv", "write_svg"]

_WIDTH, _HEIGHT, _MARGIN = 720, 260, 46
_COLORS = {"text": "#2563eb", "image": "#dc2626"}


class Point(NamedTuple):
    """Averages of a span of steps."""

    step: int
    """Its last step."""
    stage: str
    """Stage of its last step."""
    seconds: float
    """Wall time spent by then."""
    text: float
    """Mean cross-entropy of labelled tokens."""
    image: float
    """Mean squared error of the velocity; 0 where the stage draws no images."""


def averages(log: Path, span: int = 25) -> list[Point]:
    """Averages of `joint.jsonl` over `span` steps each; spans don't mix stages."""
    spans: dict[tuple[str, int], list[dict[str, float | str]]] = defaultdict(list)
    for line in log.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans[row["stage"], row["step"] // span].append(row)
    points = []
    for (stage, _), rows in spans.items():
        text, image = (sum(float(row[key]) for row in rows) / len(rows) for key in _COLORS)
        last = rows[-1]
        points.append(Point(int(last["step"]), stage, float(last["seconds"]), text, image))
    return points


def write_csv(points: Iterable[Point], path: Path) -> None:
    """Write one line per span."""
    lines = [",".join(Point._fields)]
    lines += [f"{p.step},{p.stage},{p.seconds:.0f},{p.text:.4f},{p.image:.4f}" for p in points]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_svg(points: list[Point], path: Path) -> None:
    """Draw both losses over the steps, on a linear scale that begins at zero."""
    last = max(point.step for point in points)
    top = 1.6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for level in (0.0, 0.4, 0.8, 1.2, 1.6):
        y = _y(level, top)
        parts.append(
            f'<path d="M{_MARGIN} {y:.1f}H{_WIDTH - 10}" stroke="#ddd"/>'
            f'<text x="8" y="{y + 4:.1f}">{level:.1f}</text>'
        )
    for name, color in _COLORS.items():
        drawn = [p for p in points if getattr(p, name) > 0]
        places = (
            f"{_MARGIN + (_WIDTH - _MARGIN - 10) * p.step / last:.1f},{_y(getattr(p, name), top):.1f}"
            for p in drawn
        )
        parts.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{" ".join(places)}"/>'
        )
    parts.append(
        f'<text x="{_MARGIN}" y="{_HEIGHT - 8}">step 0 to {last}</text>'
        f'<text x="{_WIDTH - 330}" y="14" fill="{_COLORS["text"]}">cross-entropy of answers</text>'
        f'<text x="{_WIDTH - 170}" y="14" fill="{_COLORS["image"]}">squared error of velocity</text>'
        "</svg>"
    )
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _y(value: float, top: float) -> float:
    """Vertical place of a loss; above the scale is its upper edge."""
    share = min(value, top) / top
    return _HEIGHT - _MARGIN + 16 - share * (_HEIGHT - _MARGIN - 10)
