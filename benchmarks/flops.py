"""Operations of a denoising step, part by part, counted by torch on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from model_adapters.cheers import CheersConfig, meta_model

__all__ = ["shares", "step_gflops"]


def step_gflops(config: CheersConfig) -> dict[str, float]:
    """GFLOPs of each part for one latent and one guidance branch, without the cached prompt."""
    model, tokens = meta_model(config), config.tokens_per_image
    parts, text = model.model, config.text_config.hidden_size
    with torch.device("meta"):
        latents = torch.zeros(1, config.latent_channels, config.latent_grid, config.latent_grid)
        pixels = torch.zeros(1, 3, config.image_size, config.image_size)
        hidden = torch.zeros(1, tokens, text)
        allowed = torch.ones(1, tokens, tokens, dtype=torch.bool)
        positions, times = torch.zeros(1, tokens, dtype=torch.long), torch.zeros(1)
    with torch.no_grad():
        patches = parts.vision_representation(pixels)
        time_text, time_vision = parts.time_embed(times)
        low = patches.patches
        work: dict[str, Callable[[], Any]] = {
            "decoder_projector": lambda: parts.vae_decoder_projector(latents),
            "tower": lambda: parts.vision_representation(pixels),
            "und_projector": lambda: parts.und_projector(patches.hidden),
            "llm": lambda: parts.language_model(hidden, allowed, positions),
            "gen_projector": lambda: parts.gen_projector(hidden, time_text),
            "hi_gate": lambda: parts.hi_gate(low, low),
            "hi_projector": lambda: parts.hi_projector(low, time_vision),
        }
        return {name: _gflops(part) for name, part in work.items()}


def shares(gflops: Mapping[str, float]) -> dict[str, float]:
    """Each part's share of all, in [0, 1]."""
    total = sum(gflops.values())
    return {name: value / total for name, value in gflops.items()}


def _gflops(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9
