"""How a device computes, as far as judges' outputs depend on it."""

from __future__ import annotations

__all__ = ["device_policy"]


def device_policy(device: str) -> str:
    """Kind of device, and on a GPU whether TF32 is on; part of a judge's identity.

    Example:
        >>> device_policy("cpu")
        'cpu'
    """
    kind = device.partition(":")[0]
    if kind != "cuda":
        return kind
    import torch

    tf32 = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    return f"cuda, TF32 {'on' if tf32 else 'off'}"
