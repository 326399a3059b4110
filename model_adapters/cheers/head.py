"""The cascaded flow-matching head: coarse tokens, PixelShuffle, gated detail, fine velocity."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_adapters.cheers.blocks import AdaLNZeroBlock, FinalLayer
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.rope import folded_positions, rotary

LAYER_NORM_EPS = 1e-5


class DiffusionStage(nn.Module):
    """One stage of the head: AdaLN-Zero blocks with rotary positions, then a final layer."""

    def __init__(
        self, width: int, heads: tuple[int, int], width_out: int, depth: int, config: CheersConfig
    ) -> None:
        super().__init__()
        self.head_dim = width // heads[0]
        self.rope_base = config.head_config.rope_base
        self.diffusion_head_a = nn.ModuleList(
            AdaLNZeroBlock(width, *heads, config.head_config.mlp_ratio) for _ in range(depth)
        )
        self.diffusion_head_b = FinalLayer(width, width_out)

    def positions(self, length: int, device: torch.device) -> Tensor:
        """Rotary positions (1, L)."""
        return torch.arange(length, device=device)[None]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (N, L, width), with the time (N, 1, width), to (N, L, width_out)."""
        positions = self.positions(x.shape[1], x.device)
        cos, sin = rotary(positions, self.head_dim, self.rope_base, x.dtype)
        for block in self.diffusion_head_a:
            x = block(x, time, cos, sin)
        out: Tensor = self.diffusion_head_b(x, time)
        return out


class FineStage(DiffusionStage):
    """Stage 2, which counts its positions twice over half the length (a kept quirk)."""

    def positions(self, length: int, device: torch.device) -> Tensor:
        """Rotary positions (1, L): arange(L/2) twice."""
        return folded_positions(length, device)


class HighFrequencyGate(nn.Module):
    """High-frequency injection: add as much patch detail as the low branch asks for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        self.layer_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, low: Tensor, high: Tensor | None) -> tuple[Tensor, Tensor]:
        """Fuse the two branches.

        Args:
            low: coarse features (N, P, width).
            high: patch embeddings (N, P, width), or None to switch the injection off.

        Returns:
            The fused features (N, P, width), and the gate (N, P, 1), unbounded; its map over the
            image shows where detail is taken. With the injection off the gate is zero.
        """
        if high is None:
            return self.layer_norm(low), low.new_zeros(*low.shape[:-1], 1)
        gate: Tensor = self.gate(low)
        return self.layer_norm(low + gate * high), gate


def coarse_stage(config: CheersConfig) -> DiffusionStage:
    """Stage 1 (`model.gen_projector`): backbone width to 4 x tower width."""
    width_out = 4 * config.vision_representation_config.hidden_size
    depth = config.head_config.gen_depth
    return DiffusionStage(
        config.text_config.hidden_size, config.gen_heads, width_out, depth, config
    )


def fine_stage(config: CheersConfig) -> FineStage:
    """Stage 2 (`model.hi_projector`): tower width to the channels of the velocity."""
    width = config.vision_representation_config.hidden_size
    depth = config.head_config.hi_depth
    return FineStage(width, config.hi_heads, config.latent_channels, depth, config)
