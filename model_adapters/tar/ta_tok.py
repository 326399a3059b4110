"""TA-Tok, the text-aligned tokenizer: an image to codes, and codes to features for decoders.

Tar (arXiv 2506.18898), github.com/csuhan/Tar at 47da8e1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_adapters.tar.config import TaTokSettings, read_config
from model_adapters.tar.sampling import draw, uniforms
from model_adapters.tar.towers import CodeTower, ImageTower, code_tower, image_tower
from model_adapters.tar.weights import fill, need, read_tensors

__all__ = ["Encoded", "TaTok", "load_ta_tok", "pool"]

_TRAINING = r"teacher"
"""Tensors of training that the released file holds."""


class Encoded(NamedTuple):
    """What an image becomes, stage by stage."""

    hidden: Tensor
    """The tower's hidden state (N, P, width)."""

    pooled: Tensor
    """After average pooling (N, n, width)."""

    features: Tensor
    """After the task layer (N, n, width)."""

    projected: Tensor
    """In the codebook's space (N, n, code width), not normalised."""


class Regularizer(nn.Module):
    """A codebook that is a projection of a frozen table (SimVQ, arXiv 2411.02038)."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width)
        self.embedding_proj = nn.Linear(width, width)


class Bottleneck(nn.Module):
    """Projection, codebook, projection."""

    def __init__(self, width: int, code_width: int, size: int) -> None:
        super().__init__()
        self.in_linear = nn.Linear(width, code_width)
        self.out_linear = nn.Linear(code_width, code_width)
        self.regularizer = Regularizer(size, code_width)


class ScaleLayer(nn.Module):
    """The mapping of pixels from [0, 1] to [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.empty(1, 3, 1, 1))
        self.register_buffer("scale", torch.empty(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, S, S) in [0, 1] to [-1, 1]."""
        return (pixels - self.shift) / self.scale


class Decoder(nn.Module):
    """Holds the decoder's tower under its released name."""

    def __init__(self, tower: CodeTower) -> None:
        super().__init__()
        self.vision_model = tower


class TaTok(nn.Module):
    """The tokenizer.

    Args:
        encoder: Tower that sees.
        decoder: Tower that reads codes.
        codes: Size and width of the codebook.
        settings: What tensors don't show.
    """

    def __init__(
        self,
        encoder: ImageTower,
        decoder: CodeTower,
        codes: tuple[int, int],
        settings: TaTokSettings,
    ) -> None:
        super().__init__()
        width = encoder.post_layernorm.normalized_shape[0]
        self.settings = settings
        self.scale_layer = ScaleLayer()
        self.encoder = encoder
        self.encode_task_layer = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.bottleneck = Bottleneck(width, codes[1], codes[0])
        self.decoder = Decoder(decoder)
        self.decode_task_layer = nn.Sequential(
            nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width)
        )
        self._codebook: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.scale_layer.shift.device

    @property
    def width(self) -> int:
        """Width of the features."""
        return int(self.encoder.post_layernorm.normalized_shape[0])

    @property
    def image_size(self) -> int:
        """Pixels of a side."""
        return int(self.encoder.image_size)

    @property
    def codebook_size(self) -> int:
        """Number of codes."""
        return int(self.bottleneck.regularizer.embedding.num_embeddings)

    @property
    def patches(self) -> int:
        """Patches that the tower attends over."""
        return int(self.encoder.grid**2)

    def tokens(self, scale: int) -> int:
        """Tokens of an image at scale 0, 1 or 2: 729, 169 and 81 of the released model.

        The tower's grid is pooled by `scale + 1`, and what is left at its edge is dropped.
        """
        return int((self.encoder.grid // (scale + 1)) ** 2)

    @torch.no_grad()
    def look(self, pixels: Tensor, scale: int) -> Encoded:
        """Everything before the codes.

        Args:
            pixels: Images (N, 3, S, S) in [0, 1].
            scale: 0, 1 or 2.
        """
        hidden = self.encoder(self.scale_layer(pixels), self.settings.select_layer)
        pooled = pool(hidden, scale + 1)
        features = self.encode_task_layer(pooled)
        return Encoded(hidden, pooled, features, self.bottleneck.in_linear(features))

    @torch.no_grad()
    def codebook(self) -> Tensor:
        """The codebook (size, code width), of unit length if so configured; computed once."""
        if self._codebook is None:
            regularizer = self.bottleneck.regularizer
            book = regularizer.embedding_proj(regularizer.embedding.weight)
            self._codebook = F.normalize(book, dim=-1) if self.settings.l2_normalized else book
        return self._codebook

    @torch.no_grad()
    def similarity(self, projected: Tensor) -> Tensor:
        """How near vectors (..., code width) are to every code (..., size): larger is nearer."""
        book = self.codebook()
        if self.settings.l2_normalized:
            return F.normalize(projected, dim=-1) @ book.T
        return 2 * projected @ book.T - book.square().sum(-1)  # |z|^2 is the same for all codes

    @torch.no_grad()
    def encode(self, pixels: Tensor, scale: int, seeds: Sequence[int] | None = None) -> Tensor:
        """Codes (N, n) of images.

        Args:
            pixels: (N, 3, S, S) in [0, 1].
            scale: 0, 1 or 2.
            seeds: One per image to sample codes from softmax(similarity / temperature), as the
                released demos do; `None` takes the nearest code, as the released evaluation does.
        """
        projected = self.look(pixels, scale).projected
        rows = []
        for number, row in enumerate(projected):  # one by one: n x 65,536 similarities are large
            near = self.similarity(row)
            if seeds is None:
                rows.append(near.argmax(-1))
                continue
            chances = (near / self.settings.temperature).softmax(-1)
            rows.append(draw(chances, uniforms(seeds[number], len(row), near.device)))
        return torch.stack(rows)

    @torch.no_grad()
    def quantized(self, codes: Tensor) -> Tensor:
        """Code vectors (N, n, code width) of codes (N, n)."""
        return self.codebook()[codes]

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Features (N, n, width) that de-tokenizers draw from, of codes (N, n), n a square."""
        vectors = self.bottleneck.out_linear(self.quantized(codes))
        features: Tensor = self.decode_task_layer(self.decoder.vision_model(vectors))
        return features


def pool(hidden: Tensor, size: int) -> Tensor:
    """Average-pool a square grid (N, P, width) in blocks of `size`; a rest at the edge is dropped.

    Example:
        >>> pool(torch.arange(9.0).reshape(1, 9, 1), 2).flatten().tolist()
        [2.0]
    """
    side = round(hidden.shape[1] ** 0.5)
    grid = hidden.transpose(1, 2).reshape(len(hidden), -1, side, side)
    return F.avg_pool2d(grid, size).flatten(2).transpose(1, 2)


def load_ta_tok(path: Path) -> TaTok:
    """Load TA-Tok in float32, with the entry `ta_tok` of the `config.json` beside it.

    Raises:
        CheckpointError: A file is missing, damaged, or doesn't fit the other.
    """
    settings = TaTokSettings.read(read_config(path.parent).get("ta_tok", {}), path.parent)
    tensors = read_tensors(path)
    table = need(tensors, "bottleneck.regularizer.embedding.weight", path)
    with torch.device("meta"):
        model = TaTok(
            image_tower(tensors, "encoder.", settings.teacher, path),
            code_tower(tensors, "decoder.vision_model.", path),
            (table.shape[0], table.shape[1]),
            settings,
        )
    return fill(model, tensors, path, unused=_TRAINING)
