"""Which of a detector's boxes count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tasks.scoring.geneval.geometry import compute_iou
from tasks.scoring.geneval.ordering import rank_descending

__all__ = ["DEFAULT_OPTIONS", "Detection", "FilterOptions", "keep_rows", "select_detections"]

_COLUMNS = 5  # x0, y0, x1, y1, score


class FilterOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GenEval's settings; the defaults are the official ones."""

    threshold: float = 0.3
    """A box counts if its score is above this."""
    counting_threshold: float = 0.9
    """The same for prompts of the `counting` skill."""
    max_objects: int = 16
    """At most so many boxes of one class count, the best-scored ones."""
    max_overlap: float = 1.0
    """Boxes that overlap a better one by this IoU or more are dropped; exactly 1 drops none."""
    position_threshold: float = 0.1
    """Share of the boxes' sizes by which their offset shrinks: see `relative_position`."""


DEFAULT_OPTIONS = FilterOptions()
"""The official settings."""


class Detection(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One box that counts."""

    row: int
    """Its row in the detector's output for its class: the key to its mask."""
    box: npt.NDArray[np.float32]
    """x0, y0, x1, y1 in pixels, float32."""
    score: float
    """The detector's confidence."""


def keep_rows(
    rows: npt.ArrayLike,
    *,
    threshold: float,
    max_objects: int = 16,
    max_overlap: float = 1.0,
) -> list[int]:
    """Choose the rows of one class's detections that count, best score first.

    As the loop in `evaluate_image` of djghosh13/geneval at commit af4902f: scores and threshold
    are compared in float32, ties go to the later row (see `rank_descending`), and the cut to
    `max_objects` comes before the suppression of overlaps.

    Args:
        rows: (n, 5) array of x0, y0, x1, y1, score; read as float32.
        threshold: Scores must be above it.
        max_objects: Rows kept before overlaps are suppressed.
        max_overlap: IoU from which the worse of two boxes is dropped; exactly 1 drops none.

    Returns:
        Row indices.

    Raises:
        ValueError: The rows haven't five columns, or a value isn't finite.

    Example:
        >>> keep_rows([[0, 0, 9, 9, 0.4], [5, 5, 9, 9, 0.2], [0, 0, 9, 9, 0.4]], threshold=0.3)
        [2, 0]
    """
    table = _as_table(rows)
    scores = table[:, 4].tolist()
    floor = float(np.float32(threshold))
    ordering = [row for row in rank_descending(scores) if scores[row] > floor][:max_objects]
    return ordering if max_overlap == 1 else _suppress(table, ordering, max_overlap)


def select_detections(
    detections: Mapping[str, npt.ArrayLike],
    tag: str,
    options: FilterOptions = DEFAULT_OPTIONS,
) -> dict[str, list[Detection]]:
    """Keep the detections that count, class by class.

    As `evaluate_image` of djghosh13/geneval at commit af4902f.

    Args:
        detections: Class name to (n, 5) rows of x0, y0, x1, y1, score, as the detector gave them.
        tag: The prompt's skill: `counting` uses the counting threshold.
        options: Thresholds.

    Returns:
        Class name to detections, best first; classes without any are left out.

    Raises:
        ValueError: Rows of a class are malformed; the message names the class.

    Example:
        >>> kept = select_detections({"cow": [[0, 0, 9, 9, 0.8]], "dog": []}, "single_object")
        >>> {name: [d.row for d in found] for name, found in kept.items()}
        {'cow': [0]}
        >>> select_detections({"cow": [[0, 0, 9, 9, 0.8]]}, "counting")
        {}
    """
    threshold = options.counting_threshold if tag == "counting" else options.threshold
    selected: dict[str, list[Detection]] = {}
    for name, rows in detections.items():
        try:
            table = _as_table(rows)
        except ValueError as error:
            raise ValueError(f"detections of class {name!r}: {error}") from error
        kept = keep_rows(
            table,
            threshold=threshold,
            max_objects=options.max_objects,
            max_overlap=options.max_overlap,
        )
        if kept:
            selected[name] = [_detection(table, row) for row in kept]
    return selected


def _as_table(rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
    table: npt.NDArray[Any] = np.asarray(rows, dtype=np.float32)
    if table.size == 0:
        return np.empty((0, _COLUMNS), dtype=np.float32)
    if table.ndim != 2 or table.shape[1] != _COLUMNS:
        raise ValueError(f"expected rows of x0, y0, x1, y1, score, got shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("a box or score isn't finite")
    return table


def _suppress(
    table: npt.NDArray[np.float32], ordering: Sequence[int], max_overlap: float
) -> list[int]:
    kept: list[int] = []
    for row in ordering:
        if all(compute_iou(table[best], table[row]) < max_overlap for best in kept):
            kept.append(row)
    return kept


def _detection(table: npt.NDArray[np.float32], row: int) -> Detection:
    return Detection(row=row, box=table[row, :4], score=float(table[row, 4]))
