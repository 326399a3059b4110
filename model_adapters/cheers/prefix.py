"""Prompts of a batch that begin with the same picture: the common beginning is run once.

Keys and values of a beginning depend on nothing behind it: text is causal, and pictures see only
themselves and what stands before them. So several questions about one picture, or a prompt and its
unconditional twin behind one dummy image, share the beginning up to their last picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from model_adapters.cheers.config import SpecialTokenIds
from model_adapters.cheers.prompt import Prompt

__all__ = ["Looks", "Split", "apart", "split"]


class Split(NamedTuple):
    """Prompts cut into beginnings and what follows."""

    heads: list[Prompt]
    """Each beginning once."""
    place: list[int]
    """Which beginning each prompt has."""
    tails: list[list[int]]
    """Ids of each prompt behind its beginning; no picture is among them."""


_Make: TypeAlias = Callable[[list[Tensor]], Tensor]
"""Gives something for each of N pictures (3, S, S)."""


class Looks:
    """Latents and visual tokens of the pictures that were seen; equal ones are seen once."""

    def __init__(self) -> None:
        self._latents: dict[bytes, Tensor] = {}
        self._tokens: dict[bytes, Tensor] = {}
        self._digests: dict[int, tuple[Tensor, bytes]] = {}

    def digest(self, image: Tensor) -> bytes:
        """What equal pictures have in common, and no others; computed once for each tensor."""
        # The tensor is kept with it, so that no other one gets its identity.
        _, digest = self._digests.get(id(image)) or (image, _digest(image))
        self._digests[id(image)] = image, digest
        return digest

    def tokens(self, images: Sequence[Tensor], see: _Make) -> Tensor:
        """Visual tokens (images, T, width) of one or more pictures.

        Args:
            images: Pictures (3, S, S), float32 on the CPU.
            see: Gives the visual tokens (N, T, width) of N pictures.

        Example:
            >>> black, white = torch.zeros(3, 2, 2), torch.ones(3, 2, 2)
            >>> looks = Looks()
            >>> looks.tokens([black, white, torch.zeros(3, 2, 2)], torch.stack).shape
            torch.Size([3, 3, 2, 2])
        """
        return self._once(self._tokens, images, see)

    def latents(self, images: Sequence[Tensor], encode: _Make) -> Tensor:
        """Latents (images, C, h, w) of one or more pictures.

        Args:
            images: Pictures (3, S, S), float32 on the CPU.
            encode: Gives the latents (N, C, h, w) of N pictures.
        """
        return self._once(self._latents, images, encode)

    def _once(self, known: dict[bytes, Tensor], images: Sequence[Tensor], make: _Make) -> Tensor:
        digests = [self.digest(image) for image in images]
        new = {d: i for d, i in zip(digests, images, strict=True) if d not in known}
        if new:
            known.update(zip(new, make(list(new.values())), strict=True))
        return torch.stack([known[digest] for digest in digests])


def split(
    prompts: Sequence[Prompt], special: SpecialTokenIds, looks: Looks | None = None
) -> Split | None:
    """Cut prompts behind their last picture.

    Args:
        prompts: one per row.
        special: the ids with a meaning.
        looks: what else needs the digests of the pictures.

    Returns:
        The parts, or None where no two prompts begin alike, or one ends with its picture.
    """
    if len(prompts) < 2:
        return None
    looks = looks or Looks()
    cuts = [_behind_pictures(prompt.ids, special) for prompt in prompts]
    if any(cut == len(prompt.ids) for cut, prompt in zip(cuts, prompts, strict=True)):
        return None
    places: dict[tuple[object, ...], int] = {}
    heads, place = list[Prompt](), list[int]()
    for prompt, cut in zip(prompts, cuts, strict=True):
        key = (tuple(prompt.ids[:cut]), *map(looks.digest, prompt.images))
        if key not in places:
            places[key] = len(heads)
            heads.append(prompt._replace(ids=list(prompt.ids[:cut])))
        place.append(places[key])
    if len(heads) == len(prompts) or not all(head.images for head in heads):
        return None
    tails = [list(prompt.ids[cut:]) for prompt, cut in zip(prompts, cuts, strict=True)]
    return Split(heads, place, tails)


def apart(prompts: Sequence[Prompt], special: SpecialTokenIds) -> Split:
    """Cut each prompt behind its last picture, or its first id, without looking for equal ones."""
    cuts = [
        _behind_pictures(prompt.ids, special) or int(prompt.dummy is None) for prompt in prompts
    ]
    pairs = list(zip(prompts, cuts, strict=True))
    heads = [prompt._replace(ids=list(prompt.ids[:cut])) for prompt, cut in pairs]
    return Split(heads, list(range(len(heads))), [list(p.ids[cut:]) for p, cut in pairs])


def _behind_pictures(ids: Sequence[int], special: SpecialTokenIds) -> int:
    """How many ids there are up to the last picture's, that one included."""
    markers = (special.image_token_index, special.image_gen_token_index)
    return max((place + 1 for place, token in enumerate(ids) if token in markers), default=0)


def _digest(image: Tensor) -> bytes:
    """Equal for equal images alone."""
    data = image.detach().cpu().contiguous().view(torch.uint8).numpy().data
    return hashlib.blake2b(data, digest_size=16).digest()
