"""AdaLN-Zero transformer blocks of the flow-matching head (Peebles and Xie, 2023, DiT)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from model_adapters.cheers.rope import rotate

RMS_NORM_EPS = 1e-6


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale and shift in float32: x (N, L, width), shift and scale (N, 1, width)."""
    return (x.float() * (1 + scale.float()) + shift.float()).to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention without bias, every position seeing every position."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.head_dim = width // heads
        self.groups = heads // kv_heads
        self.q_proj = nn.Linear(width, heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(width, kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(heads * self.head_dim, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (N, L, width), with rotary positions (1, L, head_dim), to the same shape."""
        q = rotate(self._heads(self.q_proj(x)), cos, sin)
        k = rotate(self._heads(self.k_proj(x)), cos, sin).repeat_interleave(self.groups, dim=1)
        v = self._heads(self.v_proj(x)).repeat_interleave(self.groups, dim=1)
        attended = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.o_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """Split (N, L, heads * head_dim) into (N, heads, L, head_dim)."""
        return x.view(*x.shape[:-1], -1, self.head_dim).transpose(1, 2)


class SwiGLU(nn.Module):
    """A gated MLP without bias (Shazeer, 2020)."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden_width, bias=False)
        self.up_proj = nn.Linear(width, hidden_width, bias=False)
        self.down_proj = nn.Linear(hidden_width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, L, width) to the same shape."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class AdaLNZeroBlock(nn.Module):
    """Attention and MLP, each shifted, scaled and gated by the time."""

    def __init__(self, width: int, heads: int, kv_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads, kv_heads)
        self.mlp = SwiGLU(width, mlp_ratio * width)
        self.input_layernorm = Qwen2RMSNorm(width, eps=RMS_NORM_EPS)
        self.post_attention_layernorm = Qwen2RMSNorm(width, eps=RMS_NORM_EPS)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, time: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (N, L, width), with the time (N, 1, width), to the same shape."""
        modulation: Tensor = self.adaLN_modulation(time)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation.chunk(6, dim=-1)
        attended: Tensor = self.attn(modulate(self.input_layernorm(x), shift_a, scale_a), cos, sin)
        x = x + gate_a * attended
        mixed: Tensor = self.mlp(modulate(self.post_attention_layernorm(x), shift_m, scale_m))
        return x + gate_m * mixed


class FinalLayer(nn.Module):
    """Norm, shift and scale by the time, then a linear map to the output."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.norm_final = Qwen2RMSNorm(width, eps=RMS_NORM_EPS)
        self.linear = nn.Linear(width, width_out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (N, L, width), with the time (N, 1, width), to (N, L, width_out)."""
        shift, scale = self.adaLN_modulation(time).chunk(2, dim=-1)
        out: Tensor = self.linear(modulate(self.norm_final(x), shift, scale))
        return out
