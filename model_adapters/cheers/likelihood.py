"""Log-likelihood of given answers, teacher-forced.

Each prompt is run once, and its answers over copies of its cache. The prompt's last hidden state
predicts an answer's first token, so answers of one token need no pass of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import fsum

import msgspec
import torch
from torch import Tensor

from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import Looks
from model_adapters.cheers.prompt import Prompt, check_prompts
from model_adapters.cheers.session import (
    Ablations,
    ContextLengthError,
    Session,
    open_session,
    prompt_length,
)

CACHED_TOKENS = 32_768
"""Tokens that the cache of prompts that are run together has room for, and again that of answers
behind copies of them."""

LOGITS_AT_ONCE = 512
"""Positions whose logits exist at once: in float32 311 MB of the released vocabulary."""


class LogLikelihood(msgspec.Struct, frozen=True, kw_only=True):
    """How likely one answer is."""

    total: float
    """Sum of the tokens' log-probabilities, in nats."""
    tokens: list[float]
    """Log-probability of each token of the answer, in nats."""
    greedy: bool
    """Whether greedy decoding would give exactly this answer."""


@torch.no_grad()
def loglikelihood(
    model: CheersModel,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[int]],
    ablations: Ablations = Ablations(),  # noqa: B008 - frozen
    *,
    cached_tokens: int = CACHED_TOKENS,
) -> list[LogLikelihood]:
    """Score one answer per prompt; equal prompts are run once.

    Args:
        model: the model.
        prompts: one per sample; any lengths.
        answers: ids of each sample's answer, at least one.
        ablations: switches.
        cached_tokens: tokens of prompts that are run together, padding included, and again of
            prompts with their answers. Memory grows with it, not with the number of samples;
            what is longer by itself is run by itself.

    Raises:
        ContextLengthError: a prompt and its answer do not fit the context.
        LayoutError: images and ids of a prompt do not belong together.
        ValueError: an answer is empty.
    """
    check_prompts(prompts, model.config)
    lengths = [prompt_length(prompt, model.config) for prompt in prompts]
    sizes = [(have, len(answer)) for have, answer in zip(lengths, answers, strict=True)]
    _check(sizes, model.config.text_config.max_position_embeddings)
    looks, found = Looks(), dict[int, LogLikelihood]()
    same = _equal_prompts(prompts, looks)
    for group in _fitting([(lengths[members[0]], 0) for members in same], cached_tokens):
        samples = [(row, m) for row, place in enumerate(group) for m in same[place]]
        asked = [prompts[same[place][0]] for place in group]
        session = open_session(model, asked, ablations=ablations, looks=looks)
        for part in _fitting([sizes[m] for _, m in samples], cached_tokens):
            rows, members = zip(*(samples[place] for place in part), strict=True)
            scored = _score(session, rows, [answers[m] for m in members])
            found.update(zip(members, scored, strict=True))
    return [found[member] for member in range(len(prompts))]


def _check(sizes: Sequence[tuple[int, int]], limit: int) -> None:
    for row, (prompt, answer) in enumerate(sizes):
        if not answer:
            raise ValueError(f"row {row}: the answer is empty; give at least one token")
        if prompt + answer > limit:
            raise ContextLengthError(
                f"row {row}: prompt and answer have {prompt + answer} tokens, the context holds "
                f"{limit}",
                "shorten the prompt",
            )


def _equal_prompts(prompts: Sequence[Prompt], looks: Looks) -> list[list[int]]:
    """Places of equal prompts, together."""
    places: dict[tuple[object, ...], list[int]] = {}
    for place, prompt in enumerate(prompts):
        dummy = prompt.dummy is not None
        key = (dummy, tuple(prompt.ids), *map(looks.digest, prompt.images))
        places.setdefault(key, []).append(place)
    return list(places.values())


def _fitting(sizes: Sequence[tuple[int, int]], budget: int) -> Iterator[range]:
    """Places of neighbours that fit the budget together; one at least.

    Args:
        sizes: tokens of each one's prompt, and of its answer. Columns are needed for the longest
            of the prompts and, behind it, the longest of the answers.
        budget: rows times columns.
    """
    start = 0
    while start < len(sizes):
        end, (prompt, answer) = start + 1, sizes[start]
        while end < len(sizes):
            prompt, answer = max(prompt, sizes[end][0]), max(answer, sizes[end][1])
            if (prompt + answer) * (end + 1 - start) > budget:
                break
            end += 1
        yield range(start, end)
        start = end


def _score(
    session: Session, rows: Sequence[int], answers: Sequence[Sequence[int]]
) -> list[LogLikelihood]:
    """Score answers, each behind the prompt in one of the session's rows."""
    scores = _Scores(session.model, answers)
    scores.add(0, session.last[list(rows)][:, None])
    texts = [answer[:-1] for answer in answers]  # the last token is predicted, and not read
    if any(texts):
        for start, hidden in session.select(rows, room=max(map(len, texts))).read(texts):
            scores.add(start + 1, hidden)
    return scores.results()


class _Scores:
    """Log-probabilities of answers' tokens as the hidden states that predict them come in."""

    def __init__(self, model: CheersModel, answers: Sequence[Sequence[int]]) -> None:
        self._model = model
        self._answers = answers
        self._tokens: list[list[float]] = [[] for _ in answers]
        self._likeliest: list[list[bool]] = [[] for _ in answers]

    def add(self, start: int, hidden: Tensor) -> None:
        """Take the hidden states (rows, count, width) that predict the tokens from `start` on."""
        ids = [answer[start : start + hidden.shape[1]] for answer in self._answers]
        valid = torch.cat([states[: len(row)] for states, row in zip(hidden, ids, strict=True)])
        owners = [place for place, row in enumerate(ids) for _ in row]
        predicted = self._predicted(valid, [token for row in ids for token in row])
        for place, (score, likeliest) in zip(owners, predicted, strict=True):
            self._tokens[place].append(score)
            self._likeliest[place].append(likeliest)

    def _predicted(self, hidden: Tensor, ids: Sequence[int]) -> Iterator[tuple[float, bool]]:
        """Log-probability of each of n ids by hidden states (n, width); whether it's likeliest."""
        wanted = torch.tensor(ids, device=hidden.device)
        for start in range(0, len(wanted), LOGITS_AT_ONCE):
            piece = slice(start, start + LOGITS_AT_ONCE)
            states, tokens = hidden[piece], wanted[piece]
            logits = self._model.lm_head(states).float()
            scores = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
            likeliest = logits.argmax(-1) == tokens
            yield from zip(scores.tolist(), likeliest.tolist(), strict=True)

    def results(self) -> list[LogLikelihood]:
        """What came of each answer."""
        return [
            LogLikelihood(total=fsum(tokens), tokens=tokens, greedy=all(likeliest))
            for tokens, likeliest in zip(self._tokens, self._likeliest, strict=True)
        ]
