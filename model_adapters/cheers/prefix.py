"""Prompts of a batch that begin with the same picture: the common beginning is run once.

Keys and values of a beginning depend on nothing behind it: text is causal, and pictures see only
themselves and what stands before them. So several questions about one picture, or a prompt and its
unconditional twin behind one dummy image, share the beginning up to their last picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model_adapters.cheers.config import SpecialTokenIds
from model_adapters.cheers.prompt import Prompt

__all__ = ["Split", "distinct", "split"]


class Split(NamedTuple):
    """Prompts cut into beginnings and what follows."""

    heads: list[Prompt]
    """Each beginning once."""
    place: list[int]
    """Which beginning each prompt has."""
    tails: list[list[int]]
    """Ids of each prompt behind its beginning; at least one, and no picture among them."""


def distinct(images: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Images that differ in content, and which of them each one is.

    Args:
        images: Images (3, S, S), float32 on the CPU.

    Example:
        >>> black, white = torch.zeros(3, 2, 2), torch.ones(3, 2, 2)
        >>> images, place = distinct([black, white, torch.zeros(3, 2, 2)])
        >>> len(images), place
        (2, [0, 1, 0])
    """
    places: dict[bytes, int] = {}
    found, place = list[Tensor](), list[int]()
    for image in images:
        digest = _digest(image)
        if digest not in places:
            places[digest] = len(found)
            found.append(image)
        place.append(places[digest])
    return found, place


def split(prompts: Sequence[Prompt], special: SpecialTokenIds) -> Split | None:
    """Cut prompts behind their last picture.

    Returns:
        The parts, or None where no two prompts begin alike, or one ends with its picture.
    """
    cuts = [_behind_pictures(prompt.ids, special) for prompt in prompts]
    if any(cut == len(prompt.ids) for cut, prompt in zip(cuts, prompts, strict=True)):
        return None
    places: dict[tuple[object, ...], int] = {}
    heads, place = list[Prompt](), list[int]()
    for prompt, cut in zip(prompts, cuts, strict=True):
        key = (tuple(prompt.ids[:cut]), *map(_digest, prompt.images))
        if key not in places:
            places[key] = len(heads)
            heads.append(prompt._replace(ids=list(prompt.ids[:cut])))
        place.append(places[key])
    if len(heads) == len(prompts) or not all(head.images for head in heads):
        return None
    tails = [list(prompt.ids[cut:]) for prompt, cut in zip(prompts, cuts, strict=True)]
    return Split(heads, place, tails)


def _behind_pictures(ids: Sequence[int], special: SpecialTokenIds) -> int:
    """How many ids there are up to the last picture's, that one included."""
    markers = (special.image_token_index, special.image_gen_token_index)
    return max((place + 1 for place, token in enumerate(ids) if token in markers), default=0)


def _digest(image: Tensor) -> bytes:
    """Equal for equal images alone."""
    data = image.detach().cpu().contiguous().view(torch.uint8).numpy().data
    return hashlib.blake2b(data, digest_size=16).digest()
