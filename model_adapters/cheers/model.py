"""CHEERS itself: the modules under their official names, and how they feed each other."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model_adapters.cheers.backbone import Backbone
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.head import HighFrequencyGate, coarse_stage, fine_stage
from model_adapters.cheers.projector import UnderstandingProjector, spread_neighbours
from model_adapters.cheers.sequence import Layout
from model_adapters.cheers.time_embedding import TimeEmbedding
from model_adapters.cheers.vae import VAE, LatentDecoder
from model_adapters.cheers.vision import VisionTower


class Seen(NamedTuple):
    """What the model sees of N images."""

    tokens: Tensor
    """Visual tokens for the backbone (N, T, text width)."""
    patches: Tensor
    """Patch embeddings for the head's high-frequency path (N, 4T, vision width)."""


class Velocity(NamedTuple):
    """What the head predicts for N images."""

    velocity: Tensor
    """Velocity of the latent (N, C, h, w)."""
    gate: Tensor
    """The high-frequency gate as a map over the latent (N, h, w), unbounded."""


class CheersCore(nn.Module):
    """All modules but the output embedding (`model.*`)."""

    def __init__(self, config: CheersConfig) -> None:
        super().__init__()
        text, vision = config.text_config, config.vision_representation_config
        self.vision_representation = VisionTower(vision)
        self.vae_model = VAE(config)
        self.vae_decoder_projector = LatentDecoder(config)
        frequencies = config.head_config.time_frequencies
        self.time_embed = TimeEmbedding(text.hidden_size, vision.hidden_size, frequencies)
        self.und_projector = UnderstandingProjector(vision.hidden_size, text.hidden_size)
        self.gen_projector = coarse_stage(config)
        self.hi_gate = HighFrequencyGate(vision.hidden_size)
        self.hi_projector = fine_stage(config)
        self.language_model = Backbone(text)


class CheersModel(nn.Module):
    """The model with its tied output embedding; `state_dict` has the official keys.

    Args:
        config: its sizes.
    """

    def __init__(self, config: CheersConfig) -> None:
        super().__init__()
        self.config = config
        self.model = CheersCore(config)
        self.lm_head = nn.Linear(
            config.text_config.hidden_size, config.text_config.vocab_size, bias=False
        )
        self.tie()

    def tie(self) -> None:
        """Make the output embedding the input embedding."""
        self.lm_head.weight = self.model.language_model.embed_tokens.weight

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return self.lm_head.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return self.lm_head.weight.device

    def see_latents(self, latents: Tensor) -> Seen:
        """See clean or noisy latents (N, C, h, w) as the tower sees them: decoded."""
        return self.see_pixels(self.model.vae_decoder_projector(latents))

    def see_pixels(self, pixels: Tensor) -> Seen:
        """See pixels (N, 3, S, S) directly."""
        patches, hidden = self.model.vision_representation(pixels)
        return Seen(self.model.und_projector(hidden), patches)

    def embed(self, layout: Layout, tokens: Tensor | None) -> Tensor:
        """Input embeddings (B, L, width) of a layout whose images have these visual tokens."""
        embeds: Tensor = self.model.language_model.embed_tokens(layout.ids)
        embeds = embeds * layout.valid[..., None]
        if tokens is None:
            return embeds
        where = layout.visual[..., None].expand_as(embeds)
        return embeds.masked_scatter(where, tokens.to(embeds.dtype))

    def velocity(
        self, hidden: Tensor, patches: Tensor, t: Tensor, *, inject: bool = True
    ) -> Velocity:
        """Predict the velocity of N latents.

        Args:
            hidden: the backbone's hidden states at the images' tokens (N, T, text width).
            patches: patch embeddings of the decoded latents (N, 4T, vision width).
            t: time of each latent (N,), 0 is noise and 1 the image.
            inject: False switches the high-frequency injection off (an ablation).
        """
        time_text, time_vision = self.model.time_embed(t)
        low = spread_neighbours(self.model.gen_projector(hidden, time_text))
        fused, gate = self.model.hi_gate(low, patches if inject else None)
        flow = self.model.hi_projector(fused, time_vision)
        side = math.isqrt(flow.shape[1])
        return Velocity(flow.transpose(1, 2).unflatten(2, (side, side)), gate.view(-1, side, side))
