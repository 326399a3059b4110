"""Where a model computes, and in which type of number."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import SpecError

__all__ = ["choose_device", "choose_dtype", "device_name", "one_of", "wait_for"]

_DTYPES = ("float32", "bfloat16", "float16")


def choose_device(device: str) -> str:
    """The device; `auto` is the GPU where there is one.

    A GPU named by its number becomes torch's current one in this thread, so that whatever asks
    torch without naming a GPU (waiting, memory, peaks, NVML) asks this one. The number counts
    visible GPUs (`CUDA_VISIBLE_DEVICES`); `cuda` alone is the current GPU.

    Raises:
        SpecError: A GPU is asked for and isn't visible, or the name is unknown.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, numbered, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (numbered and not number.isdecimal()):
        raise SpecError(f"device={device!r} is unknown", "write cpu, cuda or cuda:1")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SpecError(
            f"device={device!r}, but no GPU is visible",
            "use device=cpu, or see `cheers-bench doctor`",
        )
    if kind == "cuda" and numbered:
        _make_current(int(number))
    return device


def _make_current(number: int) -> None:
    import torch

    visible = torch.cuda.device_count()
    if number >= visible:
        raise SpecError(
            f"device='cuda:{number}', but of GPUs only {visible} can be seen",
            f"the last is cuda:{visible - 1}; CUDA_VISIBLE_DEVICES may hide others",
        )
    torch.cuda.set_device(number)


def choose_dtype(dtype: str, device: str) -> str:
    """The computation's type; `auto` is bfloat16 on a GPU and float32 on the CPU.

    Raises:
        SpecError: The name is unknown.
    """
    if dtype == "auto":
        return "bfloat16" if device.startswith("cuda") else "float32"
    return one_of("dtype", dtype, _DTYPES)


def device_name(device: str) -> str:
    """The device as a fingerprint states it, e.g. `cpu` or `cuda:NVIDIA H100`."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"cuda:{torch.cuda.get_device_name(device)}"


def wait_for(device: str) -> None:
    """Return when everything that was started on the device is done."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def one_of(name: str, value: str, known: Sequence[str]) -> str:
    """An argument's value, if it's known.

    Raises:
        SpecError: It isn't.
    """
    if value not in known:
        raise SpecError(f"{name}={value!r} is unknown", f"it is one of {', '.join(known)}")
    return value
