"""Beam search over one sample, with one shared cache that is reordered, never cloned per beam."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from model_adapters.cheers.sampling import Decoding, FinishReason, penalise
from model_adapters.cheers.session import Session


class Beam(NamedTuple):
    """One hypothesis."""

    ids: list[int]
    """Its generated ids."""
    score: float
    """Sum of its log-probabilities, in nats."""
    finish_reason: FinishReason | None
    """Why it ended; None while it goes on."""

    def rank(self, length_penalty: float) -> float:
        """What beams are compared by."""
        length = float(max(len(self.ids), 1))
        return self.score / math.pow(length, length_penalty)


def beam_search(session: Session, decoding: Decoding) -> tuple[list[int], FinishReason]:
    """Search until the best beam has ended.

    In every step each unfinished beam proposes its `num_beams` likeliest continuations; finished
    beams stand as they are; the best `num_beams` by score remain (AI9Stars/Cheers at da1cb77).

    Args:
        session: a session of one sample.
        decoding: its settings.

    Returns:
        The best beam's ids, and why it ended.
    """
    beams = [Beam([], 0.0, None)]
    while True:
        if session.room(0) < 1:
            return _best(beams, decoding).ids, "context"
        proposals = _propose(beams, session.logits(), session, decoding)
        proposals.sort(key=lambda item: item[0].score, reverse=True)
        chosen = proposals[: decoding.num_beams]
        beams = [beam for beam, _ in chosen]
        best = _best(beams, decoding)
        if best.finish_reason is not None:
            return best.ids, best.finish_reason
        session = session.select([parent for _, parent in chosen])
        session.append([beam.ids[-1] for beam in beams])


def _propose(
    beams: list[Beam], logits: torch.Tensor, session: Session, decoding: Decoding
) -> list[tuple[Beam, int]]:
    """Every candidate with the row of the beam that it continues."""
    special, proposals = session.model.config.special_token_ids, list[tuple[Beam, int]]()
    for row, beam in enumerate(beams):
        if beam.finish_reason is not None:
            proposals.append((beam, row))
            continue
        scores = penalise(logits[row], beam.ids, decoding.repetition_penalty).log_softmax(-1)
        if len(beam.ids) < decoding.min_new_tokens:
            scores[[special.im_start, special.chat_end_eos, *decoding.stop_ids]] = -torch.inf
        top = scores.topk(min(decoding.num_beams, len(scores)))
        for score, token in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            ids = [*beam.ids, token]
            reason = _reason(ids, session, decoding)
            proposals.append((Beam(ids, beam.score + score, reason), row))
    return proposals


def _reason(ids: list[int], session: Session, decoding: Decoding) -> FinishReason | None:
    special = session.model.config.special_token_ids
    if ids[-1] == special.im_start:
        return "image"
    if ids[-1] in (special.chat_end_eos, *decoding.stop_ids):
        return "stop"
    return "length" if len(ids) >= decoding.max_new_tokens else None


def _best(beams: list[Beam], decoding: Decoding) -> Beam:
    return max(beams, key=lambda beam: beam.rank(decoding.length_penalty))
