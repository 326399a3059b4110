"""Answering a batch, with each row's time to first token and the vision tokens that entered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

from harness.records import TextDecoding
from model_adapters.cheers.beam import beam_search
from model_adapters.cheers.decoding import Later, TextResult, cut, decode_text
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import Looks
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampling import Decoding
from model_adapters.cheers.session import Ablations, Session, open_session

__all__ = ["Answers", "answer_batch"]


class Answers(NamedTuple):
    """What came of a batch."""

    results: list[TextResult]
    """One per sample."""

    vision_tokens: list[int]
    """Positions of each sample's cache that the prompt's text doesn't account for."""

    ttft: list[float | None]
    """Seconds until the first token of each sample could be chosen, its wait for a slot included;
    `None` with beams, whose tokens all come at the end."""


def answer_batch(
    model: CheersModel,
    prompts: Sequence[Prompt],
    decoding: TextDecoding,
    seeds: Sequence[int],
    ablations: Ablations,
    *,
    slots: int | None = None,
) -> Answers:
    """Decode answers.

    Args:
        model: The model.
        prompts: One per sample.
        decoding: Shared by all samples.
        seeds: Sampling seed per sample.
        ablations: Switches.
        slots: Rows decoded at once; the others wait until rows end. `None` decodes all at once.

    Raises:
        ContextLengthError: A prompt alone doesn't fit the context.
    """
    settings = Decoding(
        max_new_tokens=decoding.max_new_tokens,
        min_new_tokens=decoding.min_new_tokens,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        num_beams=decoding.num_beams,
    )
    if settings.num_beams > 1:
        return _searched(model, prompts, settings, ablations)
    start = time.perf_counter()
    first, rest = cut(prompts, slots)
    looks = Looks()
    session = open_session(model, first, ablations=ablations, looks=looks)
    opened = _Opened(start)
    opened.note(session)
    later = Later(rest, ablations, looks, opened.note)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    found = decode_text(session, [settings] * len(prompts), generators, later=later)
    return Answers(found, _vision_tokens(opened.lengths, prompts), opened.ttft)


class _Opened:
    """What is noted of every row when its prefill is done, in the order of the samples."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.lengths: list[int] = []
        self.ttft: list[float | None] = []

    def note(self, session: Session) -> None:
        session.logits().argmax().item()  # waits for the device: first tokens can be chosen now
        self.ttft += [time.perf_counter() - self._start] * session.samples
        self.lengths += session.cache.lengths


def _searched(
    model: CheersModel, prompts: Sequence[Prompt], settings: Decoding, ablations: Ablations
) -> Answers:
    """Search beams sample by sample."""
    answers = Answers([], [], [None] * len(prompts))
    for prompt in prompts:
        session = open_session(model, [prompt], ablations=ablations)
        answers.vision_tokens.extend(_vision_tokens(session.cache.lengths, [prompt]))
        ids, reason = beam_search(session, settings)
        answers.results.append(TextResult(ids=ids, finish_reason=reason))
    return answers


def _vision_tokens(lengths: Sequence[int], prompts: Sequence[Prompt]) -> list[int]:
    return [
        length - sum(token >= 0 for token in prompt.ids)
        for length, prompt in zip(lengths, prompts, strict=True)
    ]
