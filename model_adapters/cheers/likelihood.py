"""Log-likelihood of given answers, teacher-forced."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import torch

from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.session import (
    Ablations,
    ContextLengthError,
    read_prompts,
)


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
) -> list[LogLikelihood]:
    """Score one answer per prompt, all in one pass.

    Args:
        model: the model.
        prompts: one per sample; any lengths.
        answers: ids of each sample's answer, at least one.
        ablations: switches.

    Raises:
        ContextLengthError: a prompt and its answer do not fit the context.
        ValueError: an answer is empty.
    """
    for row, answer in enumerate(answers):
        if not answer:
            raise ValueError(f"row {row}: the answer is empty; give at least one token")
    whole = [
        prompt._replace(ids=[*prompt.ids, *answer])
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    layout, tokens = read_prompts(model, whole, ablations=ablations)
    limit = model.config.text_config.max_position_embeddings
    for row, length in enumerate(layout.lengths):
        if length > limit:
            raise ContextLengthError(
                f"row {row}: prompt and answer have {length} tokens, the context holds {limit}",
                "shorten the prompt",
            )
    hidden = model.model.language_model(
        model.embed(layout, tokens), layout.attention(), layout.positions
    )
    return [
        _score(model, hidden[row, end - len(answer) - 1 : end - 1], answer)
        for row, (end, answer) in enumerate(zip(layout.lengths, answers, strict=True))
    ]


def _score(model: CheersModel, hidden: torch.Tensor, answer: Sequence[int]) -> LogLikelihood:
    """Score an answer of n ids by the n hidden states (n, width) that predict it."""
    logits = model.lm_head(hidden).float()
    ids = torch.tensor(list(answer), device=logits.device)
    scores = logits.log_softmax(-1).gather(1, ids[:, None])[:, 0]
    return LogLikelihood(
        total=float(scores.double().sum()),
        tokens=scores.tolist(),
        greedy=bool((logits.argmax(-1) == ids).all()),
    )
