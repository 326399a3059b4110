"""The two transformers of TA-Tok: a SigLIP tower that sees, a Siglip2 tower that reads codes.

Layers and pooling heads are those of transformers, whose names and numerics match the checkpoint
exactly. The embeddings are our own: transformers' Siglip2 changed its key names between versions,
and its positions are resized per picture of a padded batch, where here all have one size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import (
    SiglipEncoderLayer,
    SiglipMultiheadAttentionPoolingHead,
)

from model_adapters.tar.config import TeacherSettings
from model_adapters.tar.weights import count, need

__all__ = ["CodeTower", "ImageTower", "code_tower", "image_tower"]

_CODE_TOWER = TeacherSettings(image_size=1, num_attention_heads=12)
"""The decoder has Siglip2's default of 12 heads, whatever the teacher has; it sees no image."""


class Layers(nn.Module):
    """The layers of a tower."""

    def __init__(self, config: SiglipVisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            SiglipEncoderLayer(config) for _ in range(config.num_hidden_layers)
        )

    def forward(self, hidden: Tensor, depth: int | None = None) -> Tensor:
        """Map (N, P, width) to the same shape through the first `depth` layers, or all."""
        for layer in self.layers[:depth]:
            hidden = layer(hidden, None)
        return hidden


class PatchEmbeddings(nn.Module):
    """Patches of an image with learned positions; what is left at the edges isn't seen."""

    def __init__(self, config: SiglipVisionConfig) -> None:
        super().__init__()
        side = config.patch_size
        self.patch_embedding = nn.Conv2d(3, config.hidden_size, side, stride=side)
        self.position_embedding = nn.Embedding((config.image_size // side) ** 2, config.hidden_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (N, 3, S, S) in [-1, 1] to (N, P, width), row by row."""
        patches: Tensor = self.patch_embedding(pixels)
        return patches.flatten(2).transpose(1, 2) + self.position_embedding.weight


class ImageTower(nn.Module):
    """SigLIP. Its last layer, last norm and head are in the file, and TA-Tok doesn't use them."""

    def __init__(self, config: SiglipVisionConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.grid = config.image_size // config.patch_size
        self.embeddings = PatchEmbeddings(config)
        self.encoder = Layers(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.head = SiglipMultiheadAttentionPoolingHead(config)

    def forward(self, pixels: Tensor, select_layer: int) -> Tensor:
        """Hidden state (N, P, width) number `select_layer` of pixels (N, 3, S, S) in [-1, 1].

        State 0 is the embeddings, state n the output of layer n; negative numbers count from the
        end. No norm is applied.
        """
        states = len(self.encoder.layers) + 1
        hidden: Tensor = self.encoder(self.embeddings(pixels), select_layer % states)
        return hidden

    def unused(self, select_layer: int) -> tuple[nn.Module, ...]:
        """What `forward` with the same number computes nothing with."""
        layers = self.encoder.layers
        return (*layers[select_layer % (len(layers) + 1) :], self.post_layernorm, self.head)


class CodeEmbeddings(nn.Module):
    """Code vectors with positions of a square table, resized to the grid."""

    def __init__(self, code_width: int, width: int, positions: int) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(code_width, width)
        self.position_embedding = nn.Embedding(positions, width)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map vectors (N, n, code width), n a square, to (N, n, width)."""
        embedded: Tensor = self.patch_embedding(vectors)
        return embedded + self.positions(math.isqrt(vectors.shape[1]))

    def positions(self, side: int) -> Tensor:
        """Positions (side * side, width): bilinear, with antialiasing where the grid is smaller."""
        table = self.position_embedding.weight
        stored = math.isqrt(len(table))
        square = table.reshape(1, stored, stored, -1).permute(0, 3, 1, 2)
        resized = F.interpolate(
            square, size=(side, side), mode="bilinear", align_corners=False, antialias=True
        )
        return resized[0].flatten(1).T


class CodeTower(nn.Module):
    """The transformer of TA-Tok's decoder; its head is in the file and unused."""

    def __init__(self, config: SiglipVisionConfig, code_width: int, positions: int) -> None:
        super().__init__()
        self.embeddings = CodeEmbeddings(code_width, config.hidden_size, positions)
        self.encoder = Layers(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.head = SiglipMultiheadAttentionPoolingHead(config)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map code vectors (N, n, code width) to features (N, n, width)."""
        features: Tensor = self.post_layernorm(self.encoder(self.embeddings(vectors)))
        return features


def image_tower(
    tensors: Mapping[str, Tensor], prefix: str, teacher: TeacherSettings, path: Path
) -> ImageTower:
    """The tower whose tensors stand under `prefix`, without them."""
    patches = need(tensors, f"{prefix}embeddings.patch_embedding.weight", path)
    config = _config(tensors, prefix, path, teacher)
    config.patch_size = patches.shape[-1]
    return ImageTower(config)


def code_tower(tensors: Mapping[str, Tensor], prefix: str, path: Path) -> CodeTower:
    """The decoder's tower whose tensors stand under `prefix`, without them."""
    patches = need(tensors, f"{prefix}embeddings.patch_embedding.weight", path)
    positions = need(tensors, f"{prefix}embeddings.position_embedding.weight", path)
    config = _config(tensors, prefix, path, _CODE_TOWER)
    return CodeTower(config, patches.shape[1], len(positions))


def _config(
    tensors: Mapping[str, Tensor], prefix: str, path: Path, settings: TeacherSettings
) -> SiglipVisionConfig:
    """Sizes as the tensors have them, with SDPA attention."""
    layer = f"{prefix}encoder.layers."
    mlp = need(tensors, f"{layer}0.mlp.fc1.weight", path)
    config = SiglipVisionConfig(
        hidden_size=mlp.shape[1],
        intermediate_size=mlp.shape[0],
        num_hidden_layers=count(tensors, layer.replace(".", r"\.") + r"(\d+)"),
        num_attention_heads=settings.num_attention_heads,
        image_size=settings.image_size,
        hidden_act=settings.hidden_act,
        layer_norm_eps=settings.layer_norm_eps,
    )
    config._attn_implementation = "sdpa"  # noqa: SLF001 -- the only way without a PreTrainedModel
    return config
