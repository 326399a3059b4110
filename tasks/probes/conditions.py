"""What a machine was doing while it was measured: clocks, heat, load, threads, driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.records import JsonValue

__all__ = ["conditions"]

_CPU = Path("/sys/devices/system/cpu/cpu0")


def conditions(device: str) -> dict[str, JsonValue]:
    """Clock, load, heat and threads now; what the system doesn't tell is absent.

    Args:
        device: Device of a fingerprint; on a GPU its clocks, temperature, power and driver too.

    Returns:
        `cpu_mhz`, `governor`, `load` (1 minute), `cpus`, `threads`, `throttled` (times the
        processor was slowed down by heat since it started); on a GPU also `gpu`.
    """
    found: dict[str, Any] = {
        "cpu_mhz": _cpu_mhz(),
        "governor": _text(_CPU / "cpufreq/scaling_governor"),
        "load": round(os.getloadavg()[0], 2),
        "cpus": len(os.sched_getaffinity(0)),
        "threads": _threads(),
        "throttled": _text(_CPU / "thermal_throttle/core_throttle_count"),
        "gpu": _gpu() if device.startswith("cuda") else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _cpu_mhz() -> float | None:
    import psutil

    frequency = psutil.cpu_freq()
    return round(frequency.current, 1) if frequency is not None else None


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _gpu() -> Mapping[str, JsonValue] | str:
    """Clocks, heat, power and driver by NVML, or why they aren't known."""
    try:
        import pynvml as nvml
    except ImportError:
        return "unknown: the package nvidia-ml-py isn't installed (extra nvml)"
    from tasks.probes.device import gpu_handle

    try:
        handle = gpu_handle(nvml)
        return {
            "driver": _as_text(nvml.nvmlSystemGetDriverVersion()),
            "sm_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            "memory_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
            "celsius": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "watts": nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "throttle_reasons": nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
        }
    except nvml.NVMLError as error:
        return f"unknown: NVML says {error}"


def _as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
