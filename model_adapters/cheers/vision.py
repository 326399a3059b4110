"""The SigLIP2 vision tower (`model.vision_representation`).

Encoder layers and the pooling head are those of transformers, whose names and numerics match the
checkpoint exactly. The embeddings are our own, because positions must be interpolated for other
image sizes without a buffer that the meta device would lose.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import (
    SiglipEncoderLayer,
    SiglipMultiheadAttentionPoolingHead,
)

from model_adapters.cheers.config import VisionConfig


class TowerOutput(NamedTuple):
    """What the tower sees in a batch of images."""

    patches: Tensor
    """Patch embeddings with their positions (N, P, width): the high-frequency path."""
    hidden: Tensor
    """Hidden states after the last norm (N, P, width): the semantic path."""


class Embeddings(nn.Module):
    """Patches of an image, embedded, with learned positions."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.grid = config.grid
        self.patch_embedding = nn.Conv2d(
            config.num_channels, config.hidden_size, config.patch_size, stride=config.patch_size
        )
        self.position_embedding = nn.Embedding(config.grid**2, config.hidden_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (N, 3, S, S) to patch embeddings (N, P, width), row by row."""
        patches: Tensor = self.patch_embedding(pixels.to(self.patch_embedding.weight.dtype))
        height, width = patches.shape[-2:]
        return patches.flatten(2).transpose(1, 2) + self.positions(height, width)

    def positions(self, height: int, width: int) -> Tensor:
        """Learned positions (1, height * width, width), interpolated where the grid differs."""
        weight = self.position_embedding.weight
        if (height, width) == (self.grid, self.grid):
            return weight[None]
        table = weight.reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        table = F.interpolate(table, size=(height, width), mode="bicubic", align_corners=False)
        return table.flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    """The transformer of the tower."""

    def __init__(self, config: SiglipVisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            SiglipEncoderLayer(config) for _ in range(config.num_hidden_layers)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, P, width) to the same shape; every patch sees every patch."""
        for layer in self.layers:
            hidden = layer(hidden, None)
        return hidden


class VisionTower(nn.Module):
    """The tower; its pooling head is in the checkpoint and CHEERS does not use it."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        siglip = _siglip_config(config)
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(siglip)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.head = SiglipMultiheadAttentionPoolingHead(siglip)

    def forward(self, pixels: Tensor) -> TowerOutput:
        """Look at images (N, 3, S, S), nominally in [0, 1]."""
        patches = self.embeddings(pixels)
        return TowerOutput(patches, self.post_layernorm(self.encoder(patches)))

    def pool(self, hidden: Tensor) -> Tensor:
        """One vector per image (N, width) of hidden states (N, P, width), for probing."""
        pooled: Tensor = self.head(hidden)
        return pooled


def _siglip_config(config: VisionConfig) -> SiglipVisionConfig:
    """The tower's sizes as transformers wants them, with SDPA attention."""
    siglip = SiglipVisionConfig(
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_channels=config.num_channels,
        image_size=config.image_size,
        patch_size=config.patch_size,
        hidden_act=config.hidden_act,
        layer_norm_eps=config.layer_norm_eps,
        attention_dropout=config.attention_dropout,
    )
    siglip._attn_implementation = "sdpa"  # noqa: SLF001 - the only way without a PreTrainedModel
    return siglip
