"""Decode text row by row within a batch: each row has its own settings, stop and randomness."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import torch

from model_adapters.cheers.beam import beam_search
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import Looks
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampling import Choice, Decoding, FinishReason, choose
from model_adapters.cheers.session import Ablations, Session, open_session

__all__ = ["Decoding", "Later", "TextResult", "cut", "decode_text", "generate_text", "per_sample"]


class TextResult(msgspec.Struct, frozen=True, kw_only=True):
    """The text of one sample."""

    ids: list[int]
    """Generated ids; the end token is included where it came."""
    finish_reason: FinishReason
    """Why it ended."""


class Later(NamedTuple):
    """Prompts that wait for a row of the batch to end."""

    prompts: Sequence[Prompt]
    """The prompts; their settings stand behind those of the batch's own samples."""
    ablations: Ablations = Ablations()
    """Switches."""
    looks: Looks | None = None
    """Pictures that the batch has seen, which aren't looked at again."""
    opened: Callable[[Session], None] = lambda _: None
    """Told of the session of each group of them, in order, before it joins the batch."""


@dataclass
class _Row:
    """A row that is still being decoded."""

    sample: int
    decoding: Decoding
    generator: torch.Generator | None
    stops: frozenset[int]
    ids: list[int] = field(default_factory=list)


@torch.no_grad()
def generate_text(
    model: CheersModel,
    prompts: Sequence[Prompt],
    decoding: Decoding | Sequence[Decoding],
    generators: Sequence[torch.Generator | None] | None = None,
    ablations: Ablations = Ablations(),  # noqa: B008 - frozen
    *,
    slots: int | None = None,
) -> list[TextResult]:
    """Answer a batch of prompts.

    Args:
        model: the model.
        prompts: one per sample; any lengths, any number of images.
        decoding: settings for all, or one per sample.
        generators: one CPU generator per sample that samples with a temperature.
        ablations: switches.
        slots: rows decoded at once; the others wait until rows end. None decodes all at once.

    Returns:
        One result per sample. Greedy and sampled rows share a batch; beams are searched sample
        by sample. A row's result does not depend on the others (up to float rounding).

    Raises:
        ContextLengthError: a prompt alone does not fit the context.
    """
    settings = per_sample(decoding, len(prompts))
    sources = list(generators) if generators is not None else [None] * len(prompts)
    results: dict[int, TextResult] = {}
    plain = [index for index, item in enumerate(settings) if item.num_beams == 1]
    if plain:
        first, rest = cut([prompts[i] for i in plain], slots)
        looks = Looks()
        session = open_session(model, first, ablations=ablations, looks=looks)
        found = decode_text(
            session,
            [settings[i] for i in plain],
            [sources[i] for i in plain],
            later=Later(rest, ablations, looks),
        )
        results.update(zip(plain, found, strict=True))
    for index, item in enumerate(settings):
        if item.num_beams > 1:
            session = open_session(model, [prompts[index]], ablations=ablations)
            ids, reason = beam_search(session, item)
            results[index] = TextResult(ids=ids, finish_reason=reason)
    return [results[index] for index in range(len(prompts))]


@torch.no_grad()
def decode_text(
    session: Session,
    decoding: Sequence[Decoding],
    generators: Sequence[torch.Generator | None],
    *,
    parked: dict[int, Session] | None = None,
    later: Later = Later(()),  # noqa: B008 - frozen
) -> list[TextResult]:
    """Decode every sample of a session until it ends, and those that wait for a place in it.

    Args:
        session: the batch; it is used up.
        decoding: settings of each sample, the waiting ones last.
        generators: generator of each sample, the waiting ones last.
        parked: where given, it receives, for each sample that ends because an image begins, its
            session with `<im_start>` appended.
        later: prompts that take the place of rows that ended.
    """
    special = session.model.config.special_token_ids
    ends = {special.chat_end_eos, special.im_start}
    every = [
        _Row(sample, item, generator, frozenset(ends | set(item.stop_ids)))
        for sample, (item, generator) in enumerate(zip(decoding, generators, strict=True))
    ]
    slots = session.samples
    rows, waiting = every[:slots], _Waiting(later, every[slots:], slots)
    results: list[TextResult | None] = [None] * len(every)
    while rows:
        reasons = _advance_all(session, rows, special.im_start)
        for place, (row, reason) in enumerate(zip(rows, reasons, strict=True)):
            if reason is None:
                continue
            results[row.sample] = TextResult(ids=row.ids, finish_reason=reason)
            if reason == "image" and parked is not None:
                parked[row.sample] = session.select([place])
                parked[row.sample].append([special.im_start])
        alive = [place for place, reason in enumerate(reasons) if reason is None]
        if len(alive) < len(rows):
            rows = [rows[place] for place in alive]
            session = session.select(alive) if alive else session
        if rows:
            session.append([row.ids[-1] for row in rows])
        session, rows = waiting.fill(session, rows)
    return [result for result in results if result is not None]


class _Waiting:
    """Rows that wait, and the rule by which they enter: several at once, as prefilling likes it."""

    def __init__(self, later: Later, rows: Sequence[_Row], slots: int) -> None:
        self._later = later
        self._queue = deque(zip(rows, later.prompts, strict=True))
        self._slots, self._group = slots, max(1, slots // 4)

    def fill(self, session: Session, rows: list[_Row]) -> tuple[Session, list[_Row]]:
        """The batch with new rows where enough places are free for them."""
        free = self._slots - len(rows)
        if not self._queue or (rows and free < self._group):
            return session, rows
        taken = [self._queue.popleft() for _ in range(min(free, len(self._queue)))]
        prompts = [prompt for _, prompt in taken]
        later = self._later
        fresh = open_session(session.model, prompts, ablations=later.ablations, looks=later.looks)
        later.opened(fresh)
        joined = session.join(fresh) if rows else fresh
        return joined, [*rows, *(row for row, _ in taken)]


def _advance_all(
    session: Session, rows: Sequence[_Row], im_start: int
) -> list[FinishReason | None]:
    """Give every row its next token; they're chosen, and waited for, together."""
    asked = [Choice(row.decoding, row.ids, row.generator) for row in rows]
    tokens = choose(_held_open(session.logits(), rows), asked)
    return [
        _advance(row, tokens[place], session.room(place), im_start)
        for place, row in enumerate(rows)
    ]


def _held_open(logits: torch.Tensor, rows: Sequence[_Row]) -> torch.Tensor:
    """Logits (rows, vocabulary) in which rows that are still too short can't end."""
    short = [n for n, row in enumerate(rows) if len(row.ids) < row.decoding.min_new_tokens]
    if not short:
        return logits
    logits, stops = logits.clone(), {rows[place].stops for place in short}
    if len(short) == len(rows) and len(stops) == 1:  # the usual case, in few kernels
        for token in next(iter(stops)):
            logits[:, token] = -torch.inf
        return logits
    for place in short:
        for token in rows[place].stops:
            logits[place, token] = -torch.inf
    return logits


def _advance(row: _Row, token: int, room: int, im_start: int) -> FinishReason | None:
    """Give a row its next token; why it ends, or None while it goes on."""
    if room < 1:
        return "context"
    row.ids.append(token)
    if token in row.stops:
        return "image" if token == im_start else "stop"
    return "length" if len(row.ids) >= row.decoding.max_new_tokens else None


def cut(prompts: Sequence[Prompt], slots: int | None) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
    """The prompts that are decoded first, and those that wait.

    Raises:
        ValueError: there is no slot.
    """
    if slots is not None and slots < 1:
        raise ValueError(f"a batch needs at least one slot, not {slots}")
    return prompts[:slots], prompts[len(prompts) if slots is None else slots :]


def per_sample(decoding: Decoding | Sequence[Decoding], count: int) -> list[Decoding]:
    """One setting per sample.

    Raises:
        ValueError: the number of settings is not the number of samples.
    """
    settings = [decoding] * count if isinstance(decoding, Decoding) else list(decoding)
    if len(settings) != count:
        raise ValueError(f"{len(settings)} settings came for {count} prompts")
    return settings
