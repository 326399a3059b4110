"""Loss curves of a run: a small CSV of averages, and a picture of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Point", "averages", "write_csv", "write_svg"]

_WIDTH, _HEIGHT, _MARGIN = 720, 260, 46
_RIGHT, _TOP = 10, 1.6
_LEVELS = (0.0, 0.4, 0.8, 1.2, 1.6)
_COLORS = {"text": "#2563eb", "image": "#dc2626"}
_LEGEND = (
    (_WIDTH - 350, 16, _COLORS["text"], "cross-entropy of answers"),
    (_WIDTH - 180, 16, _COLORS["image"], "squared error of velocity"),
)
_OPEN = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
)


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
    """Draw both losses over the steps, on a linear scale from zero to `_TOP`."""
    last = max(point.step for point in points)
    parts = [_OPEN, *(_level(level) for level in _LEVELS)]
    parts += [_line(points, name, color, last) for name, color in _COLORS.items()]
    texts = ((_MARGIN, _HEIGHT - 8, "black", f"steps 0 to {last}"), *_LEGEND)
    parts += [f'<text x="{x}" y="{y}" fill="{color}">{text}</text>' for x, y, color, text in texts]
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def _level(level: float) -> str:
    """A horizontal line and its number."""
    y = _y(level)
    line = f'<path d="M{_MARGIN} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
    return f'{line}<text x="8" y="{y + 4:.1f}">{level:.1f}</text>'


def _line(points: list[Point], name: str, color: str, last: int) -> str:
    """One loss as a line; stages that lack it are left out."""
    room = _WIDTH - _MARGIN - _RIGHT
    places = " ".join(
        f"{_MARGIN + room * point.step / last:.1f},{_y(getattr(point, name)):.1f}"
        for point in points
        if getattr(point, name) > 0
    )
    return f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{places}"/>'


def _y(value: float) -> float:
    """Vertical place of a loss; above the scale is its upper edge."""
    return _HEIGHT - 30 - (_HEIGHT - 56) * min(value, _TOP) / _TOP
