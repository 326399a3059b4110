"""How a device computes, as far as judges' outputs depend on it."""

from __future__ import annotations

from harness.errors import SpecError

__all__ = ["check_device", "device_policy"]


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


def check_device(device: str) -> None:
    """Check that torch has a device, before weights are read for it.

    Raises:
        SpecError: The name is malformed, or there's no such device.

    Example:
        >>> check_device("cpu")
    """
    import torch

    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise SpecError(f"{device!r} is no device", "give cpu, cuda or cuda:0") from error
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise SpecError(f"device {device!r} isn't there: torch sees {found} GPUs", "give cpu")
