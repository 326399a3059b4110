"""The VAE: a FLUX.2-like convolutional autoencoder with a patchified, normalised latent.

An image of side S becomes 4z channels of side S / (2f): the encoder shrinks it f times, 2x2
neighbours are gathered into channels, and running statistics normalise each channel (AI9Stars/
Cheers at da1cb77, `VAEModel` and `VAEDecoderProjector`). Module names follow the checkpoint.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_adapters.cheers.config import CheersConfig, VAEConfig

GROUP_NORM_EPS = 1e-6
LATENT_NORM_EPS = 1e-4


def patchify(latent: Tensor) -> Tensor:
    """Gather 2x2 neighbours into channels: (B, z, 2H, 2W) to (B, 4z, H, W).

    Channel order is (c, pi, pj), as `torch.nn.functional.pixel_unshuffle` has it.

    Example:
        >>> patchify(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 32, 2, 2])
    """
    return F.pixel_unshuffle(latent, 2)


def unpatchify(latent: Tensor) -> Tensor:
    """Undo `patchify`: (B, 4z, H, W) to (B, z, 2H, 2W)."""
    return F.pixel_shuffle(latent, 2)


class ResnetBlock(nn.Module):
    """Two normalised 3x3 convolutions around a skip."""

    def __init__(self, channels_in: int, channels_out: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels_in, eps=GROUP_NORM_EPS)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, channels_out, eps=GROUP_NORM_EPS)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        if channels_in != channels_out:
            self.nin_shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H, W)."""
        h: Tensor = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        skip: Tensor = self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x
        return h + skip


class AttnBlock(nn.Module):
    """Single-head attention over all positions of a feature map."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=GROUP_NORM_EPS)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        h = self.norm(x)
        q, k, v = (
            layer(h).flatten(2).transpose(1, 2).unsqueeze(1) for layer in (self.q, self.k, self.v)
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj_out(attended.squeeze(1).transpose(1, 2).reshape(x.shape))
        return x + out


class Downsample(nn.Module):
    """Halve the side by a strided convolution, padded right and below only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H/2, W/2)."""
        out: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return out


class Upsample(nn.Module):
    """Double the side by repeating pixels, then convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, 2H, 2W)."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


class MiddleBlock(nn.Module):
    """Residual, attention, residual, at the lowest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, groups)
        self.attn_1 = AttnBlock(channels, groups)
        self.block_2 = ResnetBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        out: Tensor = self.block_2(self.attn_1(self.block_1(x)))
        return out


class DownLevel(nn.Module):
    """One resolution of the encoder."""

    def __init__(self, widths: list[int], groups: int, *, shrink: bool) -> None:
        super().__init__()
        self.block = _resnet_chain(widths, groups)
        if shrink:
            self.downsample = Downsample(widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, widths[0], H, W) to (B, widths[-1], H or H/2, W or W/2)."""
        for block in self.block:
            x = block(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class UpLevel(nn.Module):
    """One resolution of the decoder."""

    def __init__(self, widths: list[int], groups: int, *, grow: bool) -> None:
        super().__init__()
        self.block = _resnet_chain(widths, groups)
        if grow:
            self.upsample = Upsample(widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, widths[0], H, W) to (B, widths[-1], H or 2H, W or 2W)."""
        for block in self.block:
            x = block(x)
        return self.upsample(x) if hasattr(self, "upsample") else x


class Encoder(nn.Module):
    """Image to the moments (mean and log-variance) of the latent before the patchify."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        groups = config.norm_num_groups
        widths = [config.ch, *(config.ch * multiple for multiple in config.ch_mult)]
        last = len(config.ch_mult) - 1
        self.conv_in = nn.Conv2d(config.in_channels, config.ch, 3, padding=1)
        self.down = nn.ModuleList(
            DownLevel(
                [widths[level]] + [widths[level + 1]] * config.num_res_blocks,
                groups,
                shrink=level != last,
            )
            for level in range(last + 1)
        )
        self.mid = MiddleBlock(widths[-1], groups)
        self.norm_out = nn.GroupNorm(groups, widths[-1], eps=GROUP_NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.z_channels, 3, padding=1)
        self.quant_conv = nn.Conv2d(2 * config.z_channels, 2 * config.z_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, 3, S, S) in [0, 1] to moments (B, 2z, S/f, S/f)."""
        h = self.conv_in(image)
        for level in self.down:
            h = level(h)
        h = F.silu(self.norm_out(self.mid(h)))
        moments: Tensor = self.quant_conv(self.conv_out(h))
        return moments


class Decoder(nn.Module):
    """Latent before the patchify to image."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        groups = config.norm_num_groups
        widths = [config.ch * multiple for multiple in config.ch_mult]
        sources = [*widths[1:], widths[-1]]
        self.post_quant_conv = nn.Conv2d(config.z_channels, config.z_channels, 1)
        self.conv_in = nn.Conv2d(config.z_channels, widths[-1], 3, padding=1)
        self.mid = MiddleBlock(widths[-1], groups)
        self.up = nn.ModuleList(
            UpLevel(
                [sources[level]] + [widths[level]] * (config.num_res_blocks + 1),
                groups,
                grow=level != 0,
            )
            for level in range(len(widths))
        )
        self.norm_out = nn.GroupNorm(groups, widths[0], eps=GROUP_NORM_EPS)
        self.conv_out = nn.Conv2d(widths[0], config.out_ch, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Map (B, z, s, s) to an image (B, 3, f*s, f*s), nominally in [0, 1] and not clamped."""
        h = self.mid(self.conv_in(self.post_quant_conv(latent)))
        for level in reversed(self.up):
            h = level(h)
        image: Tensor = self.conv_out(F.silu(self.norm_out(h)))
        return image


class LatentDecoder(nn.Module):
    """A decoder behind the latent's de-normalisation: the shape of the decoder projector.

    Turns a clean or noisy latent into pixels for the tower (`model.vae_decoder_projector`).
    """

    def __init__(self, config: CheersConfig) -> None:
        super().__init__()
        self.decoder = Decoder(config.vae_decoder_config)
        self.bn = nn.BatchNorm2d(config.latent_channels, eps=LATENT_NORM_EPS, affine=False)

    def forward(self, latent: Tensor) -> Tensor:
        """Map a normalised latent (B, 4z, h, w) to an image (B, 3, 2fh, 2fw)."""
        image: Tensor = self.decoder(unpatchify(self.denormalise(latent)))
        return image

    def denormalise(self, latent: Tensor) -> Tensor:
        """Undo the normalisation with the running statistics; same shape."""
        mean, variance = self.statistics()
        return latent * torch.sqrt(variance + self.bn.eps) + mean

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Running mean and variance, each (1, 4z, 1, 1)."""
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None and variance is not None  # noqa: PT018, S101 - tracked by design
        return mean.view(1, -1, 1, 1), variance.view(1, -1, 1, 1)


class VAE(LatentDecoder):
    """The whole autoencoder (`model.vae_model`)."""

    def __init__(self, config: CheersConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config.vae_encoder_config)

    def encode(self, image: Tensor) -> Tensor:
        """Map an image (B, 3, S, S) in [0, 1] to its normalised latent (B, 4z, S/2f, S/2f).

        The latent is the mean of the moments: nothing is sampled.
        """
        mean, _ = self.encoder(image).chunk(2, dim=1)
        return self.normalise(patchify(mean))

    def decode(self, latent: Tensor) -> Tensor:
        """Map a normalised latent (B, 4z, h, w) to an image (B, 3, 2fh, 2fw), not clamped."""
        image: Tensor = self(latent)
        return image

    def normalise(self, latent: Tensor) -> Tensor:
        """Normalise with the running statistics, in training too; same shape."""
        mean, variance = self.statistics()
        return (latent - mean) / torch.sqrt(variance + self.bn.eps)


def _resnet_chain(widths: list[int], groups: int) -> nn.ModuleList:
    """Blocks from each width to the next."""
    return nn.ModuleList(ResnetBlock(source, target, groups) for source, target in pairwise(widths))
