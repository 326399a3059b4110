"""`device=cuda:1` is measured on GPU 1: memory, waiting, peaks, energy and clocks."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.errors import SpecError
from harness.torch_support import choose_device, device_name, measure_peaks, wait_for
from tasks.probes.conditions import conditions
from tasks.probes.device import peak_memory, waiter
from tasks.probes.energy import find_meter

MIB = 2**20


class Cuda:
    """Two visible GPUs, as `torch.cuda` shows them: what names no GPU is about the current one."""

    def __init__(self) -> None:
        self.current = 0
        self.waited: list[int] = []
        self.held = [5 * MIB, 700 * MIB]

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return len(self.held)

    def set_device(self, index: int) -> None:
        self.current = index

    def current_device(self) -> int:
        return self.current

    def index(self, device: str | None) -> int:
        number = (device or "cuda").partition(":")[2]
        return int(number) if number else self.current

    def synchronize(self, device: str | None = None) -> None:
        self.waited.append(self.index(device))

    def reset_peak_memory_stats(self) -> None:
        pass

    def memory_allocated(self) -> int:
        return self.held[self.current]

    def max_memory_allocated(self) -> int:
        return self.held[self.current] + 3 * MIB

    def get_device_properties(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(uuid=f"of-{index}")

    def get_device_name(self, device: str) -> str:
        return ("small", "large")[self.index(device)]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    found = Cuda()
    torch: Any = ModuleType("torch")
    torch.cuda, torch.get_num_threads = found, lambda: 1
    monkeypatch.setitem(sys.modules, "torch", torch)
    return found


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """UUIDs that NVML was asked for; its own numbers would count hidden GPUs too."""
    asked: list[str] = []
    nvml: Any = ModuleType("pynvml")
    nvml.NVMLError, nvml.nvmlInit = RuntimeError, lambda: None
    nvml.NVML_CLOCK_SM, nvml.NVML_CLOCK_MEM, nvml.NVML_TEMPERATURE_GPU = 1, 2, 0
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: asked.append(uuid) or uuid
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: {"GPU-of-1": 8_000}.get(handle, 0)
    nvml.nvmlSystemGetDriverVersion = lambda: "570.1"
    nvml.nvmlDeviceGetClockInfo = lambda handle, kind: 1410 if handle == "GPU-of-1" else 210
    nvml.nvmlDeviceGetTemperature = lambda handle, kind: 55
    nvml.nvmlDeviceGetPowerUsage = lambda handle: 1
    nvml.nvmlDeviceGetCurrentClocksThrottleReasons = lambda handle: 0
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return asked


def test_a_numbered_gpu_is_the_one_that_is_measured(cuda: Cuda):
    name = device_name(choose_device("cuda:1"))
    assert name == "cuda:large"
    waiter(name)()
    wait_for("cuda")
    assert cuda.waited == [1, 1]
    with peak_memory(name) as memory:
        pass
    assert (memory.source, memory.before_mib, memory.peak_mib) == ("cuda", 700, 703)


def test_energy_and_clocks_are_that_gpu_s(cuda: Cuda, handles: list[str]):
    name = device_name(choose_device("cuda:1"))
    assert find_meter(name).read() == 8
    gpu = conditions(name)["gpu"]
    assert gpu["sm_mhz"] == 1410
    assert set(handles) == {"GPU-of-1"}


def test_peaks_are_measured_on_the_current_gpu(cuda: Cuda):
    """Tensors go to `cuda`, which torch takes as its current GPU."""

    def rand(*_: int, device: str) -> None:
        raise LookupError(device, cuda.index(device))

    torch: Any = sys.modules["torch"]
    torch.rand, torch.bfloat16 = rand, object()
    choose_device("cuda:1")
    with pytest.raises(LookupError) as caught:
        measure_peaks("cuda", "bfloat16")
    assert caught.value.args == ("cuda", 1)


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_gpu_without_a_number_leaves_the_current_one(cuda: Cuda, device: str):
    cuda.current = 1
    assert choose_device(device) == "cuda"
    assert cuda.current == 1


def test_a_gpu_that_isn_t_visible_is_refused(cuda: Cuda):
    with pytest.raises(SpecError, match="of GPUs only 2 can be seen") as caught:
        choose_device("cuda:2")
    assert "cuda:1" in str(caught.value.remedy)
    assert cuda.current == 0


@pytest.mark.parametrize("device", ["cuda:", "cuda:x", "cuda:-1", "tpu", "cuda1"])
def test_other_names_are_refused(cuda: Cuda, device: str):
    with pytest.raises(SpecError, match="is unknown"):
        choose_device(device)
