"""Counters of energy, read from folders and modules made like the real ones."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tasks.probes.conditions import conditions
from tasks.probes.energy import find_meter


def zone(root: Path, folder_name: str, name: str, microjoules: int, most: int = 10**9) -> Path:
    folder = root / folder_name
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def package(root: Path, number: int, microjoules: int, most: int = 10**9) -> Path:
    return zone(root, f"intel-rapl:{number}", f"package-{number}", microjoules, most)


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path):
    first, second = package(tmp_path, 0, 5_000_000), package(tmp_path, 1, 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 77_000_000)
    meter = find_meter("cpu", tmp_path)
    assert meter.source == "rapl"
    before = meter.read()
    (first / "energy_uj").write_text("7500000\n")
    (second / "energy_uj").write_text("2000000\n")
    assert meter.read() - before == pytest.approx(3.5)


def test_the_whole_machine_isn_t_a_package_beside_what_it_contains(tmp_path: Path):
    inside = package(tmp_path, 0, 5_000_000)
    machine = zone(tmp_path, "intel-rapl:1", "psys", 9_000_000)
    meter = find_meter("cpu", tmp_path)
    before = meter.read()
    (inside / "energy_uj").write_text("7000000\n")
    (machine / "energy_uj").write_text("14000000\n")
    assert meter.read() - before == pytest.approx(2)


def test_the_whole_machine_alone_isn_t_taken_for_a_package(tmp_path: Path):
    zone(tmp_path, "intel-rapl:0", "psys", 9_000_000)
    meter = find_meter("cpu", tmp_path)
    assert (meter.source, meter.read) == ("", None)
    assert meter.reason == f"not measurable here: {tmp_path} shows no package, only 'psys'"


def test_a_counter_that_starts_anew_goes_on(tmp_path: Path):
    folder = package(tmp_path, 0, 900_000_000, most=10**9)
    meter = find_meter("cpu", tmp_path)
    before = meter.read()
    (folder / "energy_uj").write_text("100000000\n")
    assert meter.read() - before == pytest.approx(200)


def test_no_counter_says_why(tmp_path: Path):
    meter = find_meter("cpu", tmp_path)
    assert (meter.source, meter.read) == ("", None)
    assert meter.reason == f"not measurable here: {tmp_path} shows no package"


def test_a_counter_that_can_t_be_read_says_so(tmp_path: Path):
    (package(tmp_path, 0, 1) / "energy_uj").unlink()
    meter = find_meter("cpu", tmp_path)
    assert meter.read is None
    assert "energy_uj can't be read" in meter.reason


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Any:
    fake: Any = ModuleType("pynvml")
    fake.NVMLError, fake.NVML_CLOCK_SM, fake.NVML_CLOCK_MEM = NVMLError, 1, 2
    fake.NVML_TEMPERATURE_GPU, fake.millijoules, fake.asked = 0, 4_000, []
    fake.nvmlInit = lambda: None
    fake.nvmlDeviceGetHandleByUUID = lambda uuid: fake.asked.append(uuid) or "handle"
    fake.nvmlDeviceGetTotalEnergyConsumption = lambda handle: fake.millijoules
    fake.nvmlSystemGetDriverVersion = lambda: b"570.1"
    fake.nvmlDeviceGetClockInfo = lambda handle, kind: 1000 * kind
    fake.nvmlDeviceGetTemperature = lambda handle, kind: 55
    fake.nvmlDeviceGetPowerUsage = lambda handle: 120_500
    fake.nvmlDeviceGetCurrentClocksThrottleReasons = lambda handle: 0
    cuda = SimpleNamespace(
        current_device=lambda: 0, get_device_properties=lambda index: SimpleNamespace(uuid="ab-1")
    )
    torch = SimpleNamespace(cuda=cuda, get_num_threads=lambda: 3)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return fake


def test_a_gpu_s_counter_is_that_of_torch_s_gpu(nvml: Any):
    meter = find_meter("cuda:NVIDIA H100")
    assert meter.source == "nvml"
    before = meter.read()
    nvml.millijoules = 9_500
    assert meter.read() - before == pytest.approx(5.5)
    assert nvml.asked == ["GPU-ab-1"]


def test_a_gpu_that_doesn_t_count_says_so(nvml: Any):
    def refuse(handle: object) -> int:
        raise NVMLError("Not Supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    meter = find_meter("cuda:old")
    assert meter.read is None
    assert meter.reason == "not measurable here: NVML says Not Supported"


def test_without_nvml_s_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "extra nvml" in find_meter("cuda:0").reason
    assert "extra nvml" in str(conditions("cuda:0")["gpu"])


def test_conditions_of_a_gpu(nvml: Any):
    found = conditions("cuda:0")
    assert found["gpu"] == {
        "driver": "570.1",
        "sm_mhz": 1000,
        "memory_mhz": 2000,
        "celsius": 55,
        "watts": 120.5,
        "throttle_reasons": 0,
    }
    assert found["threads"] == 3


def test_conditions_of_a_processor_say_nothing_of_gpus():
    found = conditions("cpu")
    assert "gpu" not in found
    assert found["load"] >= 0
    assert found["cpus"] >= 1
