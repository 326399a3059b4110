"""Lay out ids and visual tokens in one batch of sequences, and say who may see whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.errors import AdapterError
from model_adapters.cheers.config import SpecialTokenIds

IGNORE = -100
"""The label of a position that is not trained on."""


class Layout(NamedTuple):
    """A batch of expanded, right-padded sequences of L positions."""

    ids: Tensor
    """Text ids (B, L), int64; 0 where a visual token or padding stands."""
    visual: Tensor
    """Whether a visual token stands here (B, L), bool: a dummy's or a placed image's."""
    block: Tensor
    """Number of the placed image (B, L), int64, from 1; 0 elsewhere, and for a dummy."""
    valid: Tensor
    """Whether anything stands here (B, L), bool; False is padding."""
    labels: Tensor
    """Labels (B, L), int64; `IGNORE` at visual tokens and padding."""

    @property
    def lengths(self) -> list[int]:
        """Length of each row without padding."""
        lengths: list[int] = self.valid.sum(1).tolist()
        return lengths

    @property
    def positions(self) -> Tensor:
        """Positions (B, L): plain counting over the expanded sequence."""
        return torch.arange(self.ids.shape[1], device=self.ids.device).expand_as(self.ids)

    def attention(self) -> Tensor:
        """Who may see whom, bool (B, L, L): causal, images see themselves, padding is apart.

        Padding sees padding, so that its softmax has something to run over; nobody else does.
        """
        # Each query sees one run of keys, so that nothing of the mask's size stands beside it.
        columns = self.positions[:1]
        lengths = self.valid.sum(1, keepdim=True)
        last = torch.where(self.valid, self._last_seen(), columns[:, -1:])
        allowed = columns <= last[..., None]
        if not self.valid.all():
            first = torch.where(self.valid, 0, lengths)
            allowed &= columns >= first[..., None]
        return allowed

    def _last_seen(self) -> Tensor:
        """Last position (B, L) that each token sees: itself, or the end of its image."""
        positions, following = self.positions, F.pad(self.block[:, 1:], (0, 1))
        ends = torch.where(self.block != following, positions, self.ids.shape[1])
        image_end = ends.flip(1).cummin(1).values.flip(1)
        return torch.where(self.block > 0, image_end, positions)

    def to(self, device: torch.device) -> Layout:
        """The same layout on another device."""
        return Layout(*(tensor.to(device) for tensor in self))


class LayoutError(AdapterError, ValueError):
    """Ids and images that do not belong together; the message names the row."""


def count_images(ids: Sequence[int], special: SpecialTokenIds) -> int:
    """How many images the ids of one row place."""
    markers = (special.image_token_index, special.image_gen_token_index)
    return sum(token in markers for token in ids)


def lay_out(
    rows: Sequence[Sequence[int]],
    dummies: Sequence[bool],
    special: SpecialTokenIds,
    tokens_per_image: int,
    labels: Sequence[Sequence[int]] | None = None,
) -> Layout:
    """Replace each image's placeholder by its visual tokens, and pad on the right.

    Args:
        rows: ids of each row without padding; placeholders are the negative image ids.
        dummies: whether a dummy image stands in front of the row.
        special: the ids with a meaning.
        tokens_per_image: visual tokens of one image.
        labels: labels of each row, as long as its ids.

    Returns:
        The layout, on the CPU. Visual tokens appear row by row, in the order of the images.
    """
    labels = labels if labels is not None else [[IGNORE] * len(row) for row in rows]
    expanded = [
        _expand(row, dummy, special, tokens_per_image, row_labels)
        for row, dummy, row_labels in zip(rows, dummies, labels, strict=True)
    ]
    length = max(len(row[0]) for row in expanded)
    fills = (0, 0, 0, IGNORE)
    ids, visual, block, padded_labels = (
        torch.tensor([row[field] + [fill] * (length - len(row[field])) for row in expanded])
        for field, fill in enumerate(fills)
    )
    lengths = torch.tensor([len(row[0]) for row in expanded])
    valid = torch.arange(length)[None] < lengths[:, None]
    return Layout(ids, visual.bool(), block, valid, padded_labels)


def _expand(
    row: Sequence[int],
    dummy: bool,
    special: SpecialTokenIds,
    tokens_per_image: int,
    labels: Sequence[int],
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Ids, visual marks, block numbers and labels of one expanded row."""
    markers = (special.image_token_index, special.image_gen_token_index)
    lead = tokens_per_image if dummy else 0
    ids, visual, block, out_labels = [0] * lead, [1] * lead, [0] * lead, [IGNORE] * lead
    images = 0
    for token, label in zip(row, labels, strict=True):
        is_image = token in markers
        images += is_image
        repeat = tokens_per_image if is_image else 1
        ids += [0 if is_image else token] * repeat
        visual += [int(is_image)] * repeat
        block += [images if is_image else 0] * repeat
        out_labels += [IGNORE if is_image else label] * repeat
    return ids, visual, block, out_labels


def unpad(ids: Tensor, attention_mask: Tensor | None) -> list[list[int]]:
    """Rows of ids (B, L) without the positions that the mask (B, L) leaves out."""
    if attention_mask is None:
        rows: list[list[int]] = ids.tolist()
        return rows
    keep = attention_mask.bool()
    return [row[mask].tolist() for row, mask in zip(ids, keep, strict=True)]


def unconditional(row: Sequence[int], special: SpecialTokenIds) -> list[int]:
    """The unconditional twin of a prompt for classifier-free guidance.

    Every id becomes `<no_mean>` but the brackets of an image and the image itself, so that a
    dummy or a source image stays. `image_gen` ids are replaced too, as in the official code.

    Example:
        >>> unconditional([5, 151667, -200, 151668, 7], SpecialTokenIds())
        [151669, 151667, -200, 151668, 151669]
    """
    kept = (special.im_start, special.im_end, special.image_token_index)
    return [token if token in kept else special.no_mean for token in row]
