"""Style and files of figures: one look, bytes that depend on nothing but the numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import BenchError, LedgerError, SpecError
from harness.ledger.faults import explained
from harness.media import write_bytes
from harness.plot.settings import HEIGHT, WIDTHS, Width

__all__ = ["FORMATS", "HATCHES", "MARKERS", "PALETTE", "new_figure", "save", "styled"]

PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#56B4E9", "#E69F00", "#000000", "#F0E442"),
)
"""Colours that people with any common colour blindness tell apart (Okabe and Ito, 2008)."""

HATCHES = ("", "///", "...", "xxx")
"""Patterns of the second and later rounds through the palette."""

MARKERS = "osD^vPX*"
"""Shapes of points, so that colour isn't the only difference."""

FORMATS = ("svg", "pdf", "png")
"""Formats of figures."""

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine has it
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#d9dde3",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.parse_math": False,  # names come from outside
    "svg.hashsalt": "cheers-bench",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}
_METADATA = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of all figures, whatever the machine's own settings.

    Raises:
        BenchError: matplotlib isn't installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise BenchError("figures need matplotlib", "pip install 'cheers-bench[plots]'") from error
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(width: Width, height: float = HEIGHT, **axes: Any) -> tuple[Any, Any]:
    """A figure of a paper's column and its axes.

    Args:
        width: Columns.
        height: Inches.
        **axes: Settings of the axes, e.g. `projection`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTHS[width], height), layout="constrained")
    return figure, figure.add_subplot(**axes)


def save(figure: Any, output: Path) -> None:
    """Write a figure; equal figures give equal bytes.

    Raises:
        SpecError: The file's ending isn't a known format.
        LedgerError: It can't be written.
    """
    format_ = output.suffix.lower().removeprefix(".")
    if format_ not in FORMATS:
        raise SpecError(f"{output}: unknown format {output.suffix!r}", "end in .svg, .pdf or .png")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=format_, metadata=_METADATA[format_])
    if not output.parent.is_dir():
        raise LedgerError(f"there is no folder {output.parent}", "create it, or name another file")
    with explained(output.parent):
        write_bytes(output, buffer.getvalue(), durable=True)
