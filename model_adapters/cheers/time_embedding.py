"""The embedding of the flow's time for the two stages of the head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

PERIOD = 10_000.0


def sinusoid(t: Tensor, length: int) -> Tensor:
    """Cosines, then sines, of t in [0, 1] itself (not of t * 1000), in float32.

    Args:
        t: times (N,).
        length: number of features, even.

    Returns:
        Features (N, 1, length).

    Example:
        >>> sinusoid(torch.zeros(2), 4)[0].tolist()
        [[1.0, 1.0, 0.0, 0.0]]
    """
    half = length // 2
    exponent = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angles = t.float()[:, None, None] * torch.exp(-math.log(PERIOD) * exponent)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class TimeEmbedding(nn.Module):
    """Two MLPs over one sinusoid (`model.time_embed`).

    The time is first rounded to the model's data type, as the official code has it: in bfloat16
    0.11 becomes 0.10986, and the embedding is that of the rounded time.
    """

    def __init__(self, text_width: int, vision_width: int, frequencies: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp_1 = _mlp(frequencies, text_width)
        self.mlp_2 = _mlp(frequencies, vision_width)

    def forward(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Map times (N,) in [0, 1] to embeddings (N, 1, text width) and (N, 1, vision width)."""
        dtype = next(self.parameters()).dtype
        features = sinusoid(t.to(dtype), self.frequencies).to(dtype)
        return self.mlp_1(features), self.mlp_2(features)


def _mlp(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, width), nn.SiLU(), nn.Linear(width, width))
