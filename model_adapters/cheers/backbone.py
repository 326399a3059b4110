"""The Qwen2 backbone (`model.language_model`).

Layers and norms are those of transformers, whose names and numerics match the checkpoint exactly.
The loop around them is ours, because CHEERS needs its own attention masks (images see themselves
fully) and a cache that can take back the tokens of an unfinished image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer, Qwen2RMSNorm

from model_adapters.cheers.cache import KVCache, Window
from model_adapters.cheers.config import TextConfig
from model_adapters.cheers.rope import rotary


class Backbone(nn.Module):
    """Embedding, decoder layers, final norm."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        qwen = _qwen_config(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            Qwen2DecoderLayer(qwen, index) for index in range(config.num_hidden_layers)
        )
        self.norm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self,
        embeds: Tensor,
        allowed: Tensor | None,
        positions: Tensor,
        window: Window | None = None,
    ) -> Tensor:
        """Run the layers.

        Args:
            embeds: input embeddings (B, L, width).
            allowed: whether query i may attend to key j, bool (B, L, keys); keys are the new
                tokens, or with a window every column up to the window's end. None lets every
                query see every key, which more kernels serve, and without copying keys per head.
            positions: rotary positions (B, L).
            window: where to write keys and values, for generation.

        Returns:
            Hidden states after the final norm (B, L, width).
        """
        head_dim = self.config.hidden_size // self.config.num_attention_heads
        rope = rotary(positions, head_dim, self.config.rope_theta, embeds.dtype)
        mask = None if allowed is None else allowed[:, None]
        hidden = embeds
        for layer in self.layers:
            hidden = layer(
                hidden,
                attention_mask=mask,
                is_causal=False,  # the mask says it all
                past_key_values=window,
                position_embeddings=rope,
            )
        out: Tensor = self.norm(hidden)
        return out

    def new_cache(self, rows: int, columns: int) -> KVCache:
        """An empty cache for `rows` sequences, with room for `columns` tokens to begin with."""
        weight = self.embed_tokens.weight
        head_dim = self.config.hidden_size // self.config.num_attention_heads
        shape = (rows, self.config.num_key_value_heads, columns, head_dim)
        return KVCache.empty(self.config.num_hidden_layers, shape, weight.dtype, weight.device)


def window_mask(window: Window, *, causal: bool) -> Tensor | None:
    """What the window's tokens may see, bool (B, count, end): their row's past, and each other.

    None where that is everything: rows of one length, and an image or one token behind them.

    Args:
        window: the columns being written.
        causal: whether a new token sees only the new ones before it (text) or all (an image).
    """
    if window.start is not None and (not causal or window.count == 1):
        return None
    columns = torch.arange(window.end, device=window.positions.device)
    last = window.positions if causal else window.positions[:, -1:].expand_as(window.positions)
    return columns <= last[..., None]


def _qwen_config(config: TextConfig) -> Qwen2Config:
    """The backbone's sizes as transformers wants them, with SDPA attention."""
    qwen = Qwen2Config(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        hidden_act=config.hidden_act,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        attention_dropout=config.attention_dropout,
    )
    qwen._attn_implementation = "sdpa"  # noqa: SLF001 - the only way without a PreTrainedModel
    return qwen
