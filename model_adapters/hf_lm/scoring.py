"""Log-likelihoods of continuations, in batches padded on the right."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from model_adapters.continuation import Scored, cut
from model_adapters.hf_lm.loading import LanguageModel

__all__ = ["Likelihood", "score"]


class Likelihood(NamedTuple):
    """How likely one continuation is."""

    total: float
    """Sum of the tokens' log-probabilities, in nats."""

    greedy: bool
    """Whether greedy decoding would give exactly this continuation."""


class _Row(NamedTuple):
    """One sequence that the model reads, and the continuations that can be read off it."""

    ids: tuple[int, ...]
    """Context and continuation without its last token, which is predicted but not read."""

    members: list[int]
    """Numbers of the continuations."""


@torch.inference_mode()
def score(lm: LanguageModel, wanted: Sequence[Scored], rows: int) -> list[Likelihood]:
    """Score continuations.

    Continuations that differ in their last token alone share one pass: four answer letters cost
    no more than one. Probabilities are computed in float32.

    Args:
        lm: The model.
        wanted: Contexts and continuations; contexts are cut on the left where they don't fit.
        rows: Sequences that the model reads at once.

    Raises:
        AdapterError: A continuation alone doesn't fit the context.
    """
    fitting = [cut(scored, lm.max_length) for scored in wanted]
    found: list[Likelihood | None] = [None] * len(fitting)
    for batch in _batches(fitting, rows):
        targets = [[fitting[n].continuation for n in row.members] for row in batch]
        for row, scores in zip(batch, _pass(lm, batch, targets), strict=True):
            for n, likelihood in zip(row.members, scores, strict=True):
                found[n] = likelihood
    return [likelihood for likelihood in found if likelihood is not None]


def _batches(wanted: Sequence[Scored], rows: int) -> Iterator[list[_Row]]:
    """Distinct sequences, the longest first so that memory runs out at once or never."""
    distinct: dict[tuple[int, ...], list[int]] = {}
    for n, scored in enumerate(wanted):
        distinct.setdefault((*scored.context, *scored.continuation[:-1]), []).append(n)
    ordered = [_Row(*item) for item in sorted(distinct.items(), key=lambda item: -len(item[0]))]
    for start in range(0, len(ordered), rows):
        yield ordered[start : start + rows]


def _pass(
    lm: LanguageModel, batch: Sequence[_Row], targets: Sequence[Sequence[Sequence[int]]]
) -> list[list[Likelihood]]:
    width = max(len(row.ids) for row in batch)
    longest = [max(map(len, continuations)) for continuations in targets]
    kept = max(
        width - len(row.ids) + count for row, count in zip(batch, longest, strict=True)
    )  # positions at the end, padding included, that predict something
    logits = _logits(lm, batch, width, kept)
    first = width - logits.shape[1]
    scores: list[list[Likelihood]] = []
    for number, (row, continuations) in enumerate(zip(batch, targets, strict=True)):
        end = len(row.ids) - first
        scores.append([_read(logits[number, end - len(c) : end], c) for c in continuations])
    return scores


def _logits(lm: LanguageModel, batch: Sequence[_Row], width: int, kept: int) -> torch.Tensor:
    """Logits of at least the last `kept` positions (rows, positions, vocabulary)."""
    device = lm.model.device
    ids = torch.full((len(batch), width), lm.pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(batch):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
    extra = {"logits_to_keep": kept} if _can_keep(lm.model) else {}
    out: torch.Tensor = lm.model(
        input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False, **extra
    ).logits
    return out


def _can_keep(model: Any) -> bool:
    """Whether the model computes logits of the last positions alone when it's asked to."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters


def _read(logits: torch.Tensor, continuation: Sequence[int]) -> Likelihood:
    """Read n tokens off the n logits (n, vocabulary) that predict them."""
    logits = logits.float()
    ids = torch.tensor(list(continuation), device=logits.device)
    scores = logits.log_softmax(-1).gather(1, ids[:, None])[:, 0]
    return Likelihood(
        total=min(float(scores.double().sum()), 0.0),
        greedy=bool((logits.argmax(-1) == ids).all()),
    )
