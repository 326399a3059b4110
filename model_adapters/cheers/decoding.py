"""Decode text row by row within a batch: each row has its own settings, stop and randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import torch

from model_adapters.cheers.beam import beam_search
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampling import Decoding, FinishReason, choose
from model_adapters.cheers.session import Ablations, Session, open_session

__all__ = ["Decoding", "TextResult", "decode_text", "generate_text"]


class TextResult(msgspec.Struct, frozen=True, kw_only=True):
    """The text of one sample."""

    ids: list[int]
    """Generated ids; the end token is included where it came."""
    finish_reason: FinishReason
    """Why it ended."""


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
) -> list[TextResult]:
    """Answer a batch of prompts.

    Args:
        model: the model.
        prompts: one per sample; any lengths, any number of images.
        decoding: settings for all, or one per sample.
        generators: one CPU generator per sample that samples with a temperature.
        ablations: switches.

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
        session = open_session(model, [prompts[i] for i in plain], ablations=ablations)
        found = decode_text(session, [settings[i] for i in plain], [sources[i] for i in plain])
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
) -> list[TextResult]:
    """Decode every sample of a session until it ends.

    Args:
        session: the batch; it is used up.
        decoding: settings of each sample.
        generators: generator of each sample.
        parked: where given, it receives, for each sample that ends because an image begins, its
            session with `<im_start>` appended.
    """
    special = session.model.config.special_token_ids
    ends = {special.chat_end_eos, special.im_start}
    rows = [
        _Row(sample, item, generator, frozenset(ends | set(item.stop_ids)))
        for sample, (item, generator) in enumerate(zip(decoding, generators, strict=True))
    ]
    results: list[TextResult | None] = [None] * len(rows)
    while rows:
        logits = session.logits()
        alive: list[int] = []
        for place, row in enumerate(rows):
            reason = _advance(row, logits[place], session.room(place), special.im_start)
            if reason is None:
                alive.append(place)
                continue
            results[row.sample] = TextResult(ids=row.ids, finish_reason=reason)
            if reason == "image" and parked is not None:
                parked[row.sample] = session.select([place])
                parked[row.sample].append([special.im_start])
        if len(alive) < len(rows):
            rows = [rows[place] for place in alive]
            session = session.select(alive) if alive else session
        if rows:
            session.append([row.ids[-1] for row in rows])
    return [result for result in results if result is not None]


def _advance(row: _Row, logits: torch.Tensor, room: int, im_start: int) -> FinishReason | None:
    """Give a row its next token; why it ends, or None while it goes on."""
    if room < 1:
        return "context"
    token = choose(logits, row.decoding, row.ids, row.generator)
    row.ids.append(token)
    if token in row.stops:
        return "image" if token == im_start else "stop"
    return "length" if len(row.ids) >= row.decoding.max_new_tokens else None


def per_sample(decoding: Decoding | Sequence[Decoding], count: int) -> list[Decoding]:
    """One setting per sample.

    Raises:
        ValueError: the number of settings is not the number of samples.
    """
    settings = [decoding] * count if isinstance(decoding, Decoding) else list(decoding)
    if len(settings) != count:
        raise ValueError(f"{len(settings)} settings came for {count} prompts")
    return settings
