"""The loops that everything here is compared with: what the official code does, written plainly.

A drawing has two separate passes per step. Each decodes the latent, looks at the picture, embeds
its patches once more, runs the backbone over a cache that grows by copying, and crops the cache
again. Answers are decoded one by one, and scored each behind a prompt of its own. The cache is
transformers' own, so nothing here shares code with the session that is measured beyond the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from model_adapters.cheers import CheersModel, ImageSettings, Prompt
from model_adapters.cheers.schedule import step_sizes
from model_adapters.cheers.sequence import unconditional
from model_adapters.cheers.session import read_prompts

__all__ = ["answer_plainly", "draw_plainly", "sample_plainly", "score_plainly"]


class _Branch:
    """Prompts of one length with a cache that grows by concatenation."""

    def __init__(self, model: CheersModel, prompts: Sequence[Prompt]) -> None:
        layout, tokens = read_prompts(model, prompts)
        assert len(set(layout.lengths)) == 1, "the plain loop knows no padding"
        self.model, self.cache = model, DynamicCache()
        self.last = model.model.language_model(
            model.embed(layout, tokens), layout.attention(), layout.positions, self.cache
        )[:, -1]

    def run(self, embeds: Tensor) -> Tensor:
        """New tokens that see everything before them and each other."""
        past, (rows, count) = self.cache.get_seq_length(), embeds.shape[:2]
        seen = torch.ones(rows, count, past + count, dtype=torch.bool, device=embeds.device)
        positions = torch.arange(past, past + count, device=embeds.device).expand(rows, -1)
        hidden: Tensor = self.model.model.language_model(embeds, seen, positions, self.cache)
        return hidden

    def velocity(self, latents: Tensor, t: float) -> Tensor:
        parts = self.model.model
        pixels = parts.vae_decoder_projector(latents)
        _, semantic = parts.vision_representation(pixels)
        tokens = parts.und_projector(semantic)
        patches = parts.vision_representation.embeddings(pixels)
        hidden = self.run(tokens)
        self.cache.crop(-tokens.shape[1])
        times = torch.full((len(hidden),), t, device=hidden.device, dtype=hidden.dtype)
        return self.model.velocity(hidden, patches, times).velocity


@torch.no_grad()
def draw_plainly(
    model: CheersModel, prompts: Sequence[Prompt], noise: Tensor, settings: ImageSettings
) -> Tensor:
    """Pictures (N, 3, S, S) of prompts of one length, by Euler's method with guidance."""
    special = model.config.special_token_ids
    bare = [prompt._replace(ids=unconditional(prompt.ids, special)) for prompt in prompts]
    branches = [_Branch(model, prompts), _Branch(model, bare)]
    times = settings.times(editing=False)
    latents = noise.to(model.device, model.dtype)
    for t, size in zip(times.tolist(), step_sizes(times).tolist(), strict=True):
        wanted, unwanted = (branch.velocity(latents, t) for branch in branches)
        latents = latents + size * (unwanted + settings.cfg_scale * (wanted - unwanted))
    images: Tensor = model.model.vae_model.decode(latents)
    return images.clamp(0, 1)


@torch.no_grad()
def answer_plainly(model: CheersModel, prompts: Sequence[Prompt], tokens: int) -> list[list[int]]:
    """Greedy ids of each prompt by itself, up to an end token or `tokens` of them."""
    return [_greedy(_Branch(model, [prompt]), tokens) for prompt in prompts]


def sample_plainly(
    logits: Tensor, top_p: float, generators: Sequence[torch.Generator]
) -> list[int]:
    """A token of each row (rows, vocabulary) from its nucleus: all sorted, row by row."""
    return [
        _from_nucleus(row.softmax(-1), top_p, generator)
        for row, generator in zip(logits, generators, strict=True)
    ]


def _from_nucleus(chances: Tensor, top_p: float, generator: torch.Generator) -> int:
    ordered, ids = chances.sort(descending=True)
    kept = ordered.masked_fill(ordered.cumsum(-1) - ordered >= top_p, 0)
    return int(ids[torch.multinomial(kept, 1, generator=generator)])


@torch.no_grad()
def score_plainly(
    model: CheersModel, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]]
) -> list[float]:
    """Log-likelihood in nats of each answer, in one pass over its prompt and itself."""
    return [
        _likelihood(model, prompt, list(answer))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _likelihood(model: CheersModel, prompt: Prompt, answer: list[int]) -> float:
    layout, tokens = read_prompts(model, [prompt._replace(ids=[*prompt.ids, *answer])])
    (hidden,) = model.model.language_model(
        model.embed(layout, tokens), layout.attention(), layout.positions
    )
    scores = model.lm_head(hidden[-1 - len(answer) : -1]).log_softmax(-1)
    return float(scores.gather(1, torch.tensor(answer, device=scores.device)[:, None]).sum())


def _greedy(branch: _Branch, tokens: int) -> list[int]:
    special = branch.model.config.special_token_ids
    ids: list[int] = []
    while len(ids) < tokens:
        ids.append(int(branch.model.lm_head(branch.last).argmax(-1)))
        if ids[-1] in (special.chat_end_eos, special.im_start):
            break
        new = torch.tensor([[ids[-1]]], device=branch.model.device)
        branch.last = branch.run(branch.model.model.language_model.embed_tokens(new))[:, -1]
    return ids
