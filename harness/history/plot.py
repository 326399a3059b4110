"""A history as a picture: a panel per metric, intervals as bars, the first change as a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import BenchError, LedgerError, SpecError
from harness.history.records import History, Point, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FORMATS", "plot_history"]

FORMATS = ("svg", "png", "pdf")
"""Formats, by the file's suffix."""

_WIDTH, _HEIGHT = 8.0, 2.4  # inches of a panel
_STYLE = {"svg.hashsalt": "cheers-bench", "svg.fonttype": "path", "font.size": 9}


def plot_history(history: History, path: Path) -> None:
    """Draw a history into a file; equal histories give equal files.

    Raises:
        SpecError: The suffix is of no format, or there's nothing to draw.
        BenchError: Matplotlib isn't installed.
        LedgerError: The file can't be written.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise SpecError(f"{path} has no format of plots", f"end it in .{', .'.join(FORMATS)}")
    if not history.series:
        raise SpecError("there's nothing to draw", "give runs that have a task in common")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BenchError(
            "plots need matplotlib, which isn't installed", "pip install 'cheers-bench[plots]'"
        ) from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, _HEIGHT * len(history.series)), layout="constrained")
        panels = figure.subplots(len(history.series), 1, squeeze=False)[:, 0]
        for axes, series in zip(panels, history.series, strict=True):
            _panel(axes, series)
        _save(figure, path, kind)


def _panel(axes: Axes, series: Series) -> None:
    known = [i for i, point in enumerate(series.points) if point.value.value is not None]
    _draw(axes, series, [i for i in known if not series.points[i].incomplete], fmt="o-")
    _draw(axes, series, [i for i in known if series.points[i].incomplete], fmt="o", mfc="white")
    if series.change is not None:
        axes.axvline(series.change.place - 0.5, color="#b03a2e", linestyle="--")
    axes.set_xticks(range(len(series.points)), [_tick(point) for point in series.points])
    axes.set_title(_plain(f"{series.task} {series.metric.name}"), loc="left")
    axes.set_ylabel(_plain(series.metric.unit))
    axes.grid(visible=True, axis="y", alpha=0.3)


def _draw(axes: Axes, series: Series, places: list[int], **style: Any) -> None:
    """Points with their intervals; those of incomplete runs are hollow and off the line."""
    values = [series.points[i].value for i in places]
    heights = [value.value or 0.0 for value in values]
    below = [0.0 if v.low is None or v.value is None else v.value - v.low for v in values]
    above = [0.0 if v.high is None or v.value is None else v.high - v.value for v in values]
    axes.errorbar(places, heights, yerr=[below, above], capsize=3, color="#1f4e79", **style)


def _tick(point: Point) -> str:
    name = _plain(point.commit[:7] if point.commit else point.label[:12])
    return f"{name}\nincomplete" if point.incomplete else name


def _plain(text: str) -> str:
    """Text without formulas, which matplotlib would set."""
    return text.replace("$", r"\$")


def _save(figure: Any, path: Path, kind: str) -> None:
    import io

    from harness.media import write_bytes

    buffer = io.BytesIO()
    stamps = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=kind, metadata=stamps.get(kind), dpi=150)
    try:
        write_bytes(path, buffer.getvalue(), durable=True)
    except OSError as error:
        raise LedgerError(
            f"{path} can't be written: {error.strerror}", "name a folder that can be written"
        ) from error
