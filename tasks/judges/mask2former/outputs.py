"""From queries to objects, as `instance_postprocess` of mmdet's `MaskFormerFusionHead` (3.3.0).

The best 100 pairs of class and query are kept; a pair's score is its class probability times the
mean probability inside its mask, its box is the mask's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.judges.interface import Instances
from tasks.judges.rle import RLE, encode_mask, mask_box

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAX_INSTANCES", "Found", "group_by_class", "instances_of"]

MAX_INSTANCES = 100
"""Pairs of class and query that are kept in one image."""

_TINY = 1e-6
_MASKS_AT_ONCE = 16


class Found(NamedTuple):
    """One object."""

    label: int
    """Number of its class."""
    score: float
    """Confidence."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 around its mask; zeros for an empty one."""
    mask: RLE
    """Its pixels."""


def instances_of(
    class_logits: Tensor,
    mask_logits: Tensor,
    *,
    padded: tuple[int, int],
    inner: tuple[int, int],
    size: tuple[int, int],
    classes: Sequence[str],
) -> Mapping[str, Instances]:
    """Objects of one image by class.

    Args:
        class_logits: (queries, classes + 1); the last is "nothing".
        mask_logits: (queries, h, w), a fraction of the padded size.
        padded: Height and width of the network's input.
        inner: Height and width of the image in it.
        size: Height and width of the image as given: that of boxes and masks.
        classes: Names in the order of the logits.
    """
    scores, labels, queries = _best(class_logits, len(classes))
    chosen: Tensor = queries.unique()  # type: ignore[no-untyped-call]
    seen = dict(_masks(mask_logits, chosen, padded, inner, size))
    found = [
        Found(label, score * seen[query].quality, seen[query].box, seen[query].mask)
        for score, label, query in zip(
            scores.tolist(), labels.tolist(), queries.tolist(), strict=True
        )
    ]
    return group_by_class(found, classes)


def group_by_class(found: Sequence[Found], classes: Sequence[str]) -> dict[str, Instances]:
    """Objects under their class names, best first; classes without any are left out."""
    by_class: dict[str, list[Found]] = {}
    for one in sorted(found, key=lambda found: -found.score):
        by_class.setdefault(classes[one.label], []).append(one)
    return {
        name: Instances(
            boxes=np.array([one.box for one in members], np.float32),
            scores=np.array([one.score for one in members], np.float32),
            masks=tuple(one.mask for one in members),
        )
        for name, members in by_class.items()
    }


def _best(class_logits: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, classes and queries of the best pairs, best first."""
    scores = class_logits.float().softmax(-1)[:, :classes].flatten()
    best, index = scores.topk(min(MAX_INSTANCES, len(scores)))
    return best, index % classes, index // classes


class _Seen(NamedTuple):
    """A query's mask, whatever classes it's paired with."""

    quality: float
    box: tuple[int, int, int, int]
    mask: RLE


def _masks(
    logits: Tensor,
    queries: Tensor,
    padded: tuple[int, int],
    inner: tuple[int, int],
    size: tuple[int, int],
) -> Iterator[tuple[int, _Seen]]:
    """Each query's mask at the image's size; few at a time, so that memory stays flat."""
    for start in range(0, len(queries), _MASKS_AT_ONCE):
        part = queries[start : start + _MASKS_AT_ONCE]
        whole = _resized(_resized(logits[part].float(), padded)[:, : inner[0], : inner[1]], size)
        inside = (whole > 0).float()
        mean = (whole.sigmoid() * inside).flatten(1).sum(1) / (inside.flatten(1).sum(1) + _TINY)
        masks = (whole > 0).cpu().numpy()
        for query, quality, mask in zip(part.tolist(), mean.tolist(), masks, strict=True):
            yield query, _Seen(quality, mask_box(mask), encode_mask(mask))


def _resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    from torch.nn.functional import interpolate

    return interpolate(masks[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
