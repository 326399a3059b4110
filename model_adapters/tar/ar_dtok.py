"""AR-DTok: TA-Tok's features to the codes of a VQVAE, one after another (llama-abs-LP).

A transformer of LlamaGen's make with learned absolute positions instead of rotary ones. The
projected features are its prefix; attention is causal over all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from harness.errors import AdapterError, CheckpointError
from harness.records import Record
from model_adapters.tar.config import ArSettings, ar_entry
from model_adapters.tar.presets import Sampling
from model_adapters.tar.sampling import choose, uniforms
from model_adapters.tar.weights import count, fill, need, read_tensors

__all__ = ["ArDTok", "Guidance", "Step", "load_ar_dtok"]

_HEAD = 64
"""Channels of a head in every published size."""

Step = Callable[[int, Tensor, Tensor | None, Tensor | None], None]
"""Called at each step with its number, the logits (N, vocabulary) that a code is chosen from, and
with guidance those with and without the condition."""


class Guidance(Record, frozen=True, kw_only=True):
    """Classifier-free guidance."""

    scale: float = 4.0
    """Weight of the difference that the condition makes; 1 is no guidance."""

    interval: int = -1
    """Last step after the prefix that is guided, counted from 0; -1 guides all."""

    def guides(self, step: int) -> bool:
        """Whether step 0 (the prefix) or a later one is guided."""
        return self.scale != 1.0 and (self.interval < 0 or step - 1 <= self.interval)


class Cache:
    """Keys and values of one layer (rows, heads, length, channels), made once for all steps."""

    def __init__(self, rows: int, heads: int, length: int, width: int, like: Tensor) -> None:
        shape = (rows, heads, length, width)
        self.k = torch.empty(shape, dtype=like.dtype, device=like.device)
        self.v = torch.empty(shape, dtype=like.dtype, device=like.device)

    def extend(self, start: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write new keys and values at `start`; all up to there."""
        end = start + k.shape[2]
        self.k[:, :, start:end] = k
        self.v[:, :, start:end] = v
        return self.k[:, :, :end], self.v[:, :, :end]


class Attention(nn.Module):
    """Causal attention; one matrix holds queries, keys and values."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.wqkv = nn.Linear(dim, 3 * dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, start: int, cache: Cache | None) -> Tensor:
        """Map (N, n, dim) at positions from `start` to the same shape."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.wqkv(x).chunk(3, dim=-1)
        )
        if cache is not None:
            k, v = cache.extend(start, k, v)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=x.shape[1] > 1)
        result: Tensor = self.wo(seen.transpose(1, 2).flatten(2))
        return result


class FeedForward(nn.Module):
    """SwiGLU (arXiv 2002.05202)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n, dim) to the same shape."""
        result: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return result


class Block(nn.Module):
    """One layer."""

    def __init__(self, dim: int, heads: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.attention_norm = LlamaRMSNorm(dim, eps)
        self.attention = Attention(dim, heads)
        self.ffn_norm = LlamaRMSNorm(dim, eps)
        self.feed_forward = FeedForward(dim, hidden)

    def forward(self, x: Tensor, start: int, cache: Cache | None) -> Tensor:
        """Map (N, n, dim) at positions from `start` to the same shape."""
        x = x + self.attention(self.attention_norm(x), start, cache)
        result: Tensor = x + self.feed_forward(self.ffn_norm(x))
        return result


class ArDTok(nn.Module):
    """The transformer.

    Args:
        settings: What tensors don't show.
        sizes: Layers, width, hidden width, vocabulary, condition's width, positions.
    """

    def __init__(self, settings: ArSettings, sizes: Mapping[str, int]) -> None:
        super().__init__()
        dim = sizes["dim"]
        self.settings = settings
        self.heads = settings.heads or dim // _HEAD
        self.clip_proj = nn.Linear(sizes["condition"], dim)
        self.tok_embeddings = nn.Embedding(sizes["vocabulary"], dim)
        self.abs_pe = nn.Parameter(torch.empty(1, sizes["positions"], dim))
        self.layers = nn.ModuleList(
            Block(dim, self.heads, sizes["hidden"], settings.norm_eps)
            for _ in range(sizes["layers"])
        )
        self.norm = LlamaRMSNorm(dim, settings.norm_eps)
        self.output = nn.Linear(dim, sizes["vocabulary"], bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.abs_pe.dtype

    def forward(
        self, inputs: Tensor, start: int = 0, caches: Sequence[Cache | None] | None = None
    ) -> Tensor:
        """Logits (N, n, vocabulary), float32, of embedded inputs (N, n, dim) from `start`."""
        x = inputs + self.abs_pe[:, start : start + inputs.shape[1]]
        for layer, cache in zip(self.layers, caches or [None] * len(self.layers), strict=True):
            x = layer(x, start, cache)
        logits: Tensor = self.output(self.norm(x)).float()
        return logits

    @torch.no_grad()
    def teacher_forced(self, features: Tensor, codes: Tensor) -> Tensor:
        """Logits (N, L, vocabulary) that predict codes (N, L), in one pass without cache."""
        condition = self.clip_proj(features.to(self.dtype))
        inputs = torch.cat([condition, self.tok_embeddings(codes[:, :-1])], dim=1)
        logits: Tensor = self(inputs)
        return logits[:, condition.shape[1] - 1 :]

    @torch.no_grad()
    def generate(
        self,
        features: Tensor,
        seeds: Sequence[int],
        guidance: Guidance,
        sampling: Sampling,
        callback: Step | None = None,
    ) -> Tensor:
        """Draw the codes (N, L) of images.

        Args:
            features: TA-Tok's (N, n, width).
            seeds: One per image; unread at temperature 0.
            guidance: A guided step runs the batch with and without condition.
            sampling: How codes are chosen.
            callback: Told each step's logits.

        Raises:
            AdapterError: There are no positions for as long a condition.
        """
        length, prefix = self.settings.codes, features.shape[1]
        self.check_room(prefix)
        chances = torch.stack([uniforms(s, length, features.device) for s in seeds])
        inputs = self.clip_proj(self._doubled(features, guidance).to(self.dtype))
        caches = self._caches(inputs, prefix + length)
        codes: list[Tensor] = []
        for step in range(length):
            raw = self(inputs, 0 if step == 0 else prefix + step - 1, caches)[:, -1]
            logits = _guided(raw, guidance, step, callback)
            codes.append(choose(logits, sampling, chances[:, step]))
            inputs = self.tok_embeddings(codes[-1])[:, None]
            inputs = torch.cat([inputs, inputs]) if guidance.scale != 1.0 else inputs
        return torch.stack(codes, dim=1)

    def _doubled(self, features: Tensor, guidance: Guidance) -> Tensor:
        # Zero features before the projection, so that the projection's bias stays.
        if guidance.scale == 1.0:
            return features
        return torch.cat([features, torch.zeros_like(features)])

    def _caches(self, inputs: Tensor, length: int) -> list[Cache]:
        width = inputs.shape[-1] // self.heads
        return [Cache(len(inputs), self.heads, length, width, inputs) for _ in self.layers]

    def check_room(self, prefix: int) -> None:
        """Refuse a condition of more tokens than there are positions for.

        Raises:
            AdapterError: There are too few.
        """
        positions = self.abs_pe.shape[1]
        if prefix + self.settings.codes - 1 > positions:
            raise AdapterError(
                f"AR-DTok has {positions} positions, too few for {prefix} image tokens and "
                f"{self.settings.codes} codes",
                "draw at a coarser scale",
            )


def _guided(raw: Tensor, guidance: Guidance, step: int, callback: Step | None) -> Tensor:
    """Logits to choose from (N, vocabulary) of those of the batch, doubled with guidance."""
    if guidance.scale == 1.0:
        logits, conditional, unconditional = raw, None, None
    else:
        conditional, unconditional = raw.chunk(2)
        difference = conditional - unconditional
        guides = guidance.guides(step)
        logits = unconditional + guidance.scale * difference if guides else conditional
    if callback is not None:
        callback(step, logits, conditional, unconditional)
    return logits


def load_ar_dtok(path: Path, dtype: Literal["float32", "bfloat16", "float16"]) -> ArDTok:
    """Load AR-DTok, with its entry of the `config.json` beside it.

    Raises:
        CheckpointError: A file is missing, damaged, or doesn't fit the other.
    """
    settings = ArSettings.read(ar_entry(path), path.parent)
    tensors = read_tensors(path)
    hidden = need(tensors, "layers.0.feed_forward.w1.weight", path)
    words = need(tensors, "tok_embeddings.weight", path)
    sizes = {
        "layers": count(tensors, r"layers\.(\d+)"),
        "dim": words.shape[1],
        "hidden": hidden.shape[0],
        "vocabulary": words.shape[0],
        "condition": need(tensors, "clip_proj.weight", path).shape[1],
        "positions": need(tensors, "abs_pe", path).shape[1],
    }
    if sizes["positions"] < settings.codes:
        raise CheckpointError(
            f"{path} has {sizes['positions']} positions, and config.json asks for "
            f"{settings.codes} codes",
            "use the weights and the config.json of one released file",
        )
    with torch.device("meta"):
        model = ArDTok(settings, sizes)
    return fill(model, tensors, path).to(getattr(torch, dtype))
