"""Energy by counters of the hardware, or an honest "not measurable here"; never an estimate.

A GPU's counter is read through NVML (`nvmlDeviceGetTotalEnergyConsumption`, millijoules since the
driver was loaded, Volta and later), the processor's through RAPL (`energy_uj` of powercap), which
counts whole packages, neighbours included. RAPL's `psys` counts the whole machine, packages
included, so it's no further package; it isn't read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["POWERCAP", "Meter", "find_meter"]

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows RAPL's counters."""


class Meter(NamedTuple):
    """A counter of energy."""

    source: str
    """`nvml`, `rapl`, or empty where nothing can be read."""

    reason: str
    """Why nothing can be read; empty where something can."""

    read: Callable[[], float] | None
    """Joules since some moment; `None` where nothing can be read."""


def find_meter(device: str, powercap: Path = POWERCAP) -> Meter:
    """The counter of what a model computes on.

    Args:
        device: Device of a fingerprint, e.g. `cpu` or `cuda:NVIDIA H100`.
        powercap: Folder of the processor's counters.
    """
    return _gpu() if device.startswith("cuda") else _processor(powercap)


def _absent(reason: str) -> Meter:
    return Meter("", f"not measurable here: {reason}", None)


def _gpu() -> Meter:
    try:
        import pynvml
    except ImportError:
        return _absent("the package nvidia-ml-py isn't installed (extra nvml)")
    from tasks.probes.device import gpu_handle

    try:
        handle = gpu_handle(pynvml)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        return _absent(f"NVML says {error}")
    return Meter("nvml", "", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000)


def _processor(powercap: Path) -> Meter:
    zones = _zones(powercap)
    packages = [zone for zone, name in zones.items() if name.startswith("package-")]
    if not packages:
        others = ", ".join(map(repr, zones.values()))
        return _absent(f"{powercap} shows no package" + (f", only {others}" if others else ""))
    counters = [_Counter(path) for path in packages]
    try:
        for counter in counters:
            counter()
    except (OSError, ValueError) as error:
        return _absent(f"{packages[0] / 'energy_uj'} can't be read ({error})")
    return Meter("rapl", "", lambda: sum(counter() for counter in counters))


def _zones(powercap: Path) -> dict[Path, str]:
    """RAPL's top zones with their names: one `package-N` a socket, and `psys` on some machines."""
    paths = sorted(path for path in powercap.glob("intel-rapl:*") if path.name.count(":") == 1)
    return {path: name.read_text().strip() for path in paths if (name := path / "name").is_file()}


class _Counter:
    """One package's counter, which starts anew at `max_energy_range_uj`.

    A full turn takes minutes at least, so readings within a measurement see at most one.
    """

    def __init__(self, package: Path) -> None:
        self._file = package / "energy_uj"
        self._range = package / "max_energy_range_uj"
        self._last: int | None = None
        self._turns = 0

    def __call__(self) -> float:
        now = int(self._file.read_text())
        if self._last is not None and now < self._last:
            self._turns += int(self._range.read_text())
        self._last = now
        return (now + self._turns) / 1e6
