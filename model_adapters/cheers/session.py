"""A batch of sequences in progress: prefill, then text and images step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import msgspec
import torch
from torch import Tensor

from harness.errors import AdapterError
from model_adapters.cheers.backbone import window_mask
from model_adapters.cheers.cache import KVCache, Window
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import Looks, Split, apart, split
from model_adapters.cheers.prompt import Prompt, check_prompts
from model_adapters.cheers.sequence import Layout, lay_out, unconditional

PASS_TOKENS = 2048
"""Tokens of a text that one pass runs in each row, which bounds what it needs beside the cache."""


class ContextLengthError(AdapterError):
    """A prompt, or a prompt and its image, does not fit the context; the message names the row."""


class Ablations(msgspec.Struct, frozen=True, kw_only=True):
    """Switches of the paper's ablations."""

    inject: bool = True
    """High-frequency injection in the head. False: the gate is zero."""
    reconstruct: bool = True
    """Images to understand go through VAE and decoder projector. False: pixels go straight to
    the tower."""


class Session:
    """Rows of a batch with their cache and last hidden states.

    With guidance there are twice as many rows: each sample's, then each sample's unconditional
    twin. `samples` counts the samples.

    Attributes:
        model: the model.
        samples: number of samples.
        guided: whether unconditional twins ride along.
        last: last hidden state of each row (rows, width).
    """

    def __init__(self, model: CheersModel, cache: KVCache, last: Tensor, *, guided: bool) -> None:
        self.model = model
        self.cache = cache
        self.last = last
        self.guided = guided
        self.samples = cache.rows // 2 if guided else cache.rows

    @property
    def limit(self) -> int:
        """The context length in tokens, image tokens included."""
        return self.model.config.text_config.max_position_embeddings

    def room(self, sample: int) -> int:
        """How many more tokens a sample can hold."""
        return self.limit - self.cache.lengths[sample]

    @torch.no_grad()
    def logits(self) -> Tensor:
        """Logits of each sample's next token (samples, vocabulary), float32."""
        out: Tensor = self.model.lm_head(self.last[: self.samples])
        return out.float()

    @torch.no_grad()
    def append(self, tokens: Sequence[int], *, both: bool = False) -> None:
        """Append one text token to each sample, and one to each unconditional twin.

        As in the official code a twin writes a text of its own, its likeliest token each time.

        Args:
            tokens: one token per sample.
            both: whether the twins get the same tokens; for what neither of them chose.
        """
        rows = list(tokens)
        if self.guided:
            rows += rows if both else self._twins_choice()
        ids = torch.tensor(rows, device=self.model.device)[:, None]
        embeds = self.model.model.language_model.embed_tokens(ids)
        self.last = self.run(embeds, self.cache.window(1), causal=True)[:, -1]
        self.cache.commit([1] * self.cache.rows)

    @torch.no_grad()
    def read(self, texts: Sequence[Sequence[int]]) -> Iterator[tuple[int, Tensor]]:
        """Append a text to each row, in passes of bounded length.

        Args:
            texts: ids of each row, twins included; any lengths.

        Yields:
            Where in the texts a pass begins, and its hidden states (rows, count, width). Those
            behind the end of a row's text mean nothing.
        """
        text_model = self.model.model.language_model
        longest = max(map(len, texts), default=0)
        for start in range(0, longest, PASS_TOKENS):
            count = min(PASS_TOKENS, longest - start)
            ids = [list(text[start : start + count]) for text in texts]
            padded = torch.tensor([row + [0] * (count - len(row)) for row in ids])
            embeds = text_model.embed_tokens(padded.to(self.model.device))
            hidden = self.run(embeds, self.cache.window(count), causal=True)
            self.last = _last(hidden, [len(row) for row in ids], self.last)
            self.cache.commit([len(row) for row in ids])
            yield start, hidden

    @torch.no_grad()
    def run(self, embeds: Tensor, window: Window, *, causal: bool) -> Tensor:
        """Run new tokens (rows, count, width) over the cached past; nothing is committed."""
        allowed = window_mask(window, causal=causal)
        hidden: Tensor = self.model.model.language_model(embeds, allowed, window.positions, window)
        return hidden

    def _twins_choice(self) -> list[int]:
        choice: list[int] = self.model.lm_head(self.last[self.samples :]).argmax(-1).tolist()
        return choice

    def without_twins(self) -> Session:
        """The samples alone, for when no further image needs guidance."""
        if not self.guided:
            return self
        rows = list(range(self.samples))
        return Session(self.model, self.cache.select(rows), self.last[rows], guided=False)

    def join(self, other: Session) -> Session:
        """A session of these samples and then the other's; neither is guided."""
        cache = self.cache.join(other.cache)
        return Session(self.model, cache, torch.cat((self.last, other.last)), guided=False)

    def select(self, samples: Sequence[int], room: int | None = None) -> Session:
        """A session of these samples, in this order; a sample may occur more than once.

        Args:
            samples: samples to take.
            room: tokens behind the longest of them that there are columns for; by default
                there are as many columns as here.
        """
        twins = [self.samples + sample for sample in samples] if self.guided else []
        rows = [*samples, *twins]
        columns = None if room is None else max(self.cache.lengths[row] for row in rows) + room
        cache = self.cache.select(rows, columns)
        return Session(self.model, cache, self.last[rows], guided=self.guided)


@torch.no_grad()
def open_session(
    model: CheersModel,
    prompts: Sequence[Prompt],
    *,
    guided: bool = False,
    ablations: Ablations = Ablations(),  # noqa: B008 - frozen
    room: int = 0,
    share: bool = True,
    looks: Looks | None = None,
) -> Session:
    """Prefill a batch of prompts.

    Pictures of equal content are seen once, and what several prompts have in common up to their
    last picture is run once: questions about one picture, a prompt and its unconditional twin.
    A long text behind the pictures goes through in passes of bounded length.

    Args:
        model: the model.
        prompts: one per sample; any lengths.
        guided: whether to prefill unconditional twins for classifier-free guidance.
        ablations: switches.
        room: tokens behind the prompts that the cache has columns for from the start.
        share: False runs every prompt whole from its first token, for measurements; the result
            is the same up to rounding.
        looks: pictures that were seen before, with the same switches; see `read_prompts`.

    Raises:
        ContextLengthError: a prompt does not fit the context.
        LayoutError: images and ids of a prompt do not belong together.
    """
    check_prompts(prompts, model.config)
    special = model.config.special_token_ids
    rows = list(prompts)
    if guided:
        rows += [p._replace(ids=unconditional(p.ids, special)) for p in prompts]
    lengths = [prompt_length(prompt, model.config) for prompt in rows]
    _check_context(lengths, model.config.text_config.max_position_embeddings)
    looks = looks or Looks()
    parts = split(rows, special, looks) if share else None
    if parts is None and share and any(len(prompt.ids) > PASS_TOKENS for prompt in rows):
        parts = apart(rows, special)
    see = partial(read_prompts, model, ablations=ablations, looks=looks)
    if parts is None:
        last, cache = _run_whole(model, rows, see, room)
    else:
        last, cache = _run_in_parts(model, parts, see, max(lengths) + room)
    return Session(model, cache, last, guided=guided)


_Read: TypeAlias = Callable[[Sequence[Prompt]], tuple[Layout, Tensor | None]]
"""Lays prompts out and sees their pictures."""


def _run_whole(
    model: CheersModel, rows: Sequence[Prompt], see: _Read, room: int
) -> tuple[Tensor, KVCache]:
    """Prefill; the last hidden state of each row (rows, width), and the cache."""
    layout, tokens = see(rows)
    hidden, cache = prefill(model, layout, tokens, room)
    return _last(hidden, layout.lengths), cache


def _run_in_parts(
    model: CheersModel, parts: Split, see: _Read, columns: int
) -> tuple[Tensor, KVCache]:
    """Prefill each beginning once, then all that follows over copies of its cache."""
    last, heads = _run_whole(model, parts.heads, see, 0)
    session = Session(model, heads.select(parts.place, columns), last[parts.place], guided=False)
    for _ in session.read(parts.tails):
        pass
    return session.last, session.cache


def _last(hidden: Tensor, lengths: Sequence[int], before: Tensor | None = None) -> Tensor:
    """Hidden states (rows, width) of the last valid token of each row of (rows, L, width).

    Args:
        hidden: the states.
        lengths: valid tokens of each row.
        before: what stands where a row has none.
    """
    ends = torch.tensor(lengths, device=hidden.device)
    found = hidden[torch.arange(len(ends), device=hidden.device), ends - 1]
    return found if before is None else torch.where((ends > 0)[:, None], found, before)


def prompt_length(prompt: Prompt, config: CheersConfig) -> int:
    """Tokens of a prompt, those of its images included."""
    texts = len(prompt.ids) - len(prompt.pixels)
    return texts + len(prompt.images) * config.tokens_per_image


def read_prompts(
    model: CheersModel,
    prompts: Sequence[Prompt],
    *,
    guided: bool = False,
    ablations: Ablations = Ablations(),  # noqa: B008 - frozen
    looks: Looks | None = None,
) -> tuple[Layout, Tensor | None]:
    """Lay prompts out and compute their visual tokens (images, T, width).

    Args:
        model: the model.
        prompts: one per sample.
        guided: whether their unconditional twins follow them.
        ablations: switches, the same for all that use `looks`.
        looks: pictures that were seen before; those of these prompts join them.
    """
    config = model.config
    check_prompts(prompts, config)
    special = config.special_token_ids
    rows = [list(prompt.ids) for prompt in prompts]
    if guided:
        rows += [unconditional(row, special) for row in rows]
    copies = 2 if guided else 1
    dummies = [prompt.dummy is not None for prompt in prompts] * copies
    layout = lay_out(rows, dummies, special, config.tokens_per_image).to(model.device)
    images = [image for prompt in prompts for image in prompt.images]
    if not images:
        return layout, None
    # One picture in several prompts, as where answers to one question are compared, is seen once.
    looks = looks or Looks()
    tokens = looks.tokens(images, partial(_see, model, ablations, looks))
    return layout, tokens.repeat(copies, 1, 1)


def _see(
    model: CheersModel, ablations: Ablations, looks: Looks, images: Sequence[Tensor]
) -> Tensor:
    """Visual tokens (N, T, width) of images (3, S, S) to understand."""
    if not ablations.reconstruct:
        return model.see_pixels(_stacked(model, images)).tokens
    return model.see_latents(encode_images(model, images, looks)).tokens


def encode_images(model: CheersModel, images: Sequence[Tensor], looks: Looks) -> Tensor:
    """Latents (N, C, h, w) of images (3, S, S); those that were encoded before are known."""
    return looks.latents(images, lambda new: model.model.vae_model.encode(_stacked(model, new)))


def _stacked(model: CheersModel, images: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(images)).to(model.device, model.dtype)


def prefill(
    model: CheersModel, layout: Layout, tokens: Tensor | None, room: int = 0
) -> tuple[Tensor, KVCache]:
    """Run a laid-out batch; hidden states (B, L, width), and the cache that holds it.

    Args:
        model: the model.
        layout: the batch.
        tokens: visual tokens (images, T, width) of its images.
        room: columns of the cache for what will follow.
    """
    rows, length = layout.ids.shape
    cache = model.model.language_model.new_cache(rows, length + room)
    hidden = model.model.language_model(
        model.embed(layout, tokens), layout.attention(), layout.positions, cache.window(length)
    )
    cache.commit(layout.lengths)
    return hidden, cache


def _check_context(lengths: Sequence[int], limit: int) -> None:
    for row, length in enumerate(lengths):
        if length > limit:
            raise ContextLengthError(
                f"row {row}: the prompt has {length} tokens, images included, but the context "
                f"holds {limit}",
                "shorten the prompt, or give it fewer images",
            )
