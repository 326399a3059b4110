"""Rows of a training batch: a shared prefix and branches that do not see each other.

Several noised images of one prompt, or several questions about one image, share the prefix they
all begin with. Each branch has the positions and the attention that it would have alone behind
that prefix, so a row trains on what its branches would be as rows of their own, for less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model_adapters.cheers.sequence import IGNORE

__all__ = ["Piece", "Row", "RowBatch", "collate"]


class Piece(NamedTuple):
    """A run of ids; image placeholders are the negative ids."""

    ids: list[int]
    """Token ids, with placeholders."""
    labels: list[int]
    """Labels aligned with the ids, `IGNORE` for none."""


class Row(NamedTuple):
    """One sequence."""

    prefix: Piece
    """What all branches begin with."""
    branches: tuple[Piece, ...]
    """Continuations."""
    dummy: bool = False
    """Whether a dummy image stands in front of the prefix."""


class RowBatch(NamedTuple):
    """Rows as tensors of L positions."""

    ids: Tensor
    """Text ids (B, L); 0 where a visual token or padding stands."""
    visual: Tensor
    """Whether a visual token stands here (B, L), bool."""
    generated: Tensor
    """Whether it belongs to an image to generate (B, L), bool."""
    positions: Tensor
    """Rotary positions (B, L)."""
    allowed: Tensor
    """Whether query i may attend to key j (B, L, L), bool."""
    targets: Tensor
    """Id that each position is trained to predict (B, L), `IGNORE` for none."""


class _Columns(NamedTuple):
    """Parallel lists of one row."""

    ids: list[int]
    visual: list[int]
    block: list[int]
    branch: list[int]
    positions: list[int]
    targets: list[int]


def collate(rows: Sequence[Row], tokens_per_image: int) -> RowBatch:
    """Expand placeholders to visual tokens and pad on the right.

    Args:
        rows: The rows.
        tokens_per_image: Visual tokens of one image.
    """
    columns = [_expand(row, tokens_per_image) for row in rows]
    length = max(len(c.ids) for c in columns)
    fills = (0, 0, 0, -1, 0, IGNORE)
    ids, visual, block, branch, positions, targets = (
        torch.tensor([c[field] + [fill] * (length - len(c[field])) for c in columns])
        for field, fill in enumerate(fills)
    )
    allowed = _attention(block, branch)
    return RowBatch(ids, visual > 0, visual == _GENERATED, positions, allowed, targets)


_DUMMY_BLOCK = 0
_SEEN, _GENERATED = 1, 2
_IMAGE_GEN = -300


def _expand(row: Row, tokens_per_image: int) -> _Columns:
    out = _Columns([], [], [], [], [], [])
    if row.dummy:
        # A dummy is attended causally, like text: it belongs to no image block.
        _extend(out, tokens_per_image, visual=_SEEN, block=_DUMMY_BLOCK, branch=0, start=0)
    images = _append(out, row.prefix, tokens_per_image, branch=0, start=len(out.ids), images=0)
    base = len(out.ids)
    for number, piece in enumerate(row.branches, start=1):
        images = _append(out, piece, tokens_per_image, branch=number, start=base, images=images)
    return out


def _extend(
    out: _Columns, count: int, *, visual: int, block: int, branch: int, start: int, token: int = 0
) -> None:
    out.ids.extend([token] * count)
    out.visual.extend([visual] * count)
    out.block.extend([block] * count)
    out.branch.extend([branch] * count)
    out.positions.extend(range(start, start + count))
    out.targets.extend([IGNORE] * count)


def _append(
    out: _Columns, piece: Piece, tokens_per_image: int, *, branch: int, start: int, images: int
) -> int:
    """Append one piece; return how many images the row has by then."""
    position, first = start, True
    for token, label in zip(piece.ids, piece.labels, strict=True):
        if label != IGNORE and not (first and branch):
            # The position before predicts this one; a branch's first token has no such place.
            out.targets[-1] = label
        first = False
        if token >= 0:
            _extend(out, 1, visual=0, block=0, branch=branch, start=position, token=token)
            position += 1
            continue
        images += 1
        kind = _GENERATED if token == _IMAGE_GEN else _SEEN
        _extend(out, tokens_per_image, visual=kind, block=images, branch=branch, start=position)
        position += tokens_per_image
    return images


def _attention(block: Tensor, branch: Tensor) -> Tensor:
    """Causal within prefix and branch, full within an image; padding sees itself alone."""
    length = block.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same_image = (block[:, :, None] == block[:, None, :]) & (block[:, :, None] > 0)
    related = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)
    return (causal | same_image) & related
