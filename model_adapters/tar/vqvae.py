"""The decoder of LlamaGen's VQ-16, from codes to pixels (arXiv 2406.06525).

The released file holds the encoder as well. Tar never encodes with it, so it isn't loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_adapters.tar.weights import count, fill, need, read_tensors

__all__ = ["VqDecoder", "load_vqvae"]

_ENCODER = r"encoder\.|quant_conv\.|quantize\.codebook_used$"
"""What decoding doesn't need."""


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm1 = _norm(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm2 = _norm(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside, h, w) to (N, outside, h, w)."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        result: Tensor = self.nin_shortcut(x) + h
        return result


class AttnBlock(nn.Module):
    """Attention of one head over all positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        normed = self.norm(x)
        q, k, v = (f(normed).flatten(2).transpose(1, 2) for f in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        result: Tensor = x + self.proj_out(seen)
        return result


class Upsample(nn.Module):
    """Twice the size by repetition, and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to (N, channels, 2h, 2w)."""
        result: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return result


class Level(nn.Module):
    """The blocks of one resolution."""

    def __init__(
        self, inside: int, outside: int, blocks: int, *, attends: bool, last: bool
    ) -> None:
        super().__init__()
        sizes = [inside] + [outside] * blocks
        self.res = nn.ModuleList(ResBlock(*pair) for pair in pairwise(sizes))
        self.attn = nn.ModuleList(AttnBlock(outside) for _ in range(blocks if attends else 0))
        self.upsample = None if last else Upsample(outside)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside, h, w) to (N, outside, 2h, 2w), or (N, outside, h, w) if it's the last."""
        for number, block in enumerate(self.res):
            x = block(x)
            if len(self.attn):
                x = self.attn[number](x)
        return x if self.upsample is None else self.upsample(x)


class Decoder(nn.Module):
    """From latent channels to pixels.

    Args:
        latent: Channels of the latent.
        widths: Channels of each level, the lowest resolution first.
        blocks: Residual blocks of a level.
    """

    def __init__(self, latent: int, widths: list[int], blocks: int) -> None:
        super().__init__()
        low = widths[0]
        self.conv_in = nn.Conv2d(latent, low, 3, padding=1)
        self.mid = nn.ModuleList([ResBlock(low, low), AttnBlock(low), ResBlock(low, low)])
        self.conv_blocks = nn.ModuleList(
            Level(inside, outside, blocks, attends=n == 0, last=n == len(widths) - 1)
            for n, (inside, outside) in enumerate(zip([low, *widths], widths, strict=False))
        )
        self.norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, latent, h, w) to (N, 3, H, W)."""
        x = self.conv_in(z)
        for block in (*self.mid, *self.conv_blocks):
            x = block(x)
        result: Tensor = self.conv_out(F.silu(self.norm_out(x)))
        return result


class Quantize(nn.Module):
    """The codebook."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width)


class VqDecoder(nn.Module):
    """Codes to pixels.

    Args:
        codes: Size and width of the codebook.
        latent: Channels of the latent.
        widths: Channels of each level, the lowest resolution first.
        blocks: Residual blocks of a level.
    """

    def __init__(self, codes: tuple[int, int], latent: int, widths: list[int], blocks: int) -> None:
        super().__init__()
        self.quantize = Quantize(*codes)
        self.post_quant_conv = nn.Conv2d(codes[1], latent, 1)
        self.decoder = Decoder(latent, widths, blocks)

    @property
    def factor(self) -> int:
        """Pixels of a side per code."""
        return int(2 ** (len(self.decoder.conv_blocks) - 1))

    @torch.no_grad()
    def quantized(self, codes: Tensor) -> Tensor:
        """Unit vectors (N, width, h, w) of codes (N, h * w), row by row, h = w."""
        side = math.isqrt(codes.shape[1])
        book = F.normalize(self.quantize.embedding.weight, dim=-1)
        found: Tensor = book[codes].transpose(1, 2)
        return found.reshape(*found.shape[:2], side, side)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Pixels (N, 3, H, W), nominally in [-1, 1], of codes (N, h * w)."""
        latent = self.post_quant_conv(self.quantized(codes))
        pixels: Tensor = self.decoder(latent)
        return pixels


def load_vqvae(path: Path) -> VqDecoder:
    """Load the decoder in float32; all sizes are read off the tensors.

    Raises:
        CheckpointError: The file is missing, damaged, or of another model.
    """
    tensors = read_tensors(path)
    codes = need(tensors, "quantize.embedding.weight", path)
    latent = need(tensors, "post_quant_conv.weight", path)
    with torch.device("meta"):
        model = VqDecoder(
            (codes.shape[0], codes.shape[1]),
            latent.shape[0],
            _widths(tensors, path),
            count(tensors, r"decoder\.conv_blocks\.0\.res\.(\d+)"),
        )
    return fill(model, tensors, path, unused=_ENCODER)


def _widths(tensors: Mapping[str, Tensor], path: Path) -> list[int]:
    """Channels of each level."""
    levels = count(tensors, r"decoder\.conv_blocks\.(\d+)")
    names = [f"decoder.conv_blocks.{n}.res.0.conv1.weight" for n in range(max(levels, 1))]
    return [need(tensors, name, path).shape[0] for name in names]
