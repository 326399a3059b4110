"""Every registered task says who it is, lightly and completely."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from harness.errors import DataError, SpecError
from harness.records import Direction, Sample
from harness.registry import suites, tasks
from harness.task import FollowUpTask, Probe, Task
from tasks.shapes.dataset import _SHA256, compute_sha256
from tests.understanding.synthetic import BENCHMARKS, write_benchmark

NAMES = tasks().names()

EXTERNAL = {"dpg-bench", "gedit-bench", "geneval-long", "geneval2", "imgedit"}
"""Tasks whose samples are in a file that the user brings; they're tested where they live."""


def _made(name: str, folder: Path) -> Task:
    """A task, with synthetic data where its own isn't part of the package."""
    options = {"file": str(write_benchmark(name, folder))} if name in BENCHMARKS else {}
    return tasks().get(name)(options)


@pytest.fixture(params=NAMES)
def task(request: pytest.FixtureRequest) -> Task:
    return tasks().get(request.param)()


def test_the_embedded_suite_is_registered():
    assert {
        "easy-vqa",
        "probe-latency",
        "probe-tokens",
        "reconstruction",
        "shapes-edit",
        "shapes-geneval",
        "shapes-mmbench",
        "shapes-ocr",
    } <= set(NAMES)


def test_metadata_is_complete(task: Task):
    data = task.metadata
    assert data.name in NAMES
    assert data.summary.endswith(".")
    assert data.citation
    assert data.dataset.licence
    assert len({metric.name for metric in data.metrics}) == len(data.metrics)
    for metric in data.metrics:
        assert metric.direction in Direction
        assert metric.low is None or metric.high is None or metric.low < metric.high


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EXTERNAL])
def test_samples_are_json_unique_and_repeatable(name: str, tmp_path: Path):
    task = _made(name, tmp_path)
    first = list(islice(task.samples(), 60))
    assert len({sample.key for sample in first}) == len(first)
    assert list(islice(task.samples(), 60)) == first
    for sample in first:
        assert msgspec.json.decode(msgspec.json.encode(sample), type=Sample) == sample


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in EXTERNAL and not issubclass(tasks().get(n), Probe)]
)
def test_requests_carry_the_seed_and_need_declared_capabilities(name: str, tmp_path: Path):
    task = _made(name, tmp_path)
    for sample in islice(task.samples(), 8):
        if isinstance(task, FollowUpTask) and task.follows(sample) is not None:
            request = task.request_after(sample, task.stand_in(), 77)
        else:
            request = task.request(sample, 77)
        assert request.seed == 77
        assert request.capability in task.metadata.requires


def test_protocol_tells_options_and_limits_apart(task: Task):
    plain = task.protocol(0)
    assert plain.hash == task.protocol(0).hash
    assert len({plain.hash, task.protocol(1).hash, task.protocol(0, 5).hash}) == 3


@pytest.mark.parametrize("name", sorted(EXTERNAL))
def test_data_that_are_not_here_are_asked_for(name: str):
    with pytest.raises(DataError) as caught:
        list(tasks().get(name)().samples())
    assert name in caught.value.what
    assert "--task-option" in caught.value.remedy


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_published_files_that_are_not_here_are_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHEERS_BENCH_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        list(tasks().get(name)().samples())
    assert tasks().get(name).metadata.files[0].name in caught.value.what
    assert "cheers-bench data pull" in caught.value.remedy


@pytest.mark.parametrize("kind", list(_SHA256))
def test_the_world_is_what_its_hash_says(kind: str):
    assert compute_sha256(kind) == _SHA256[kind]


HEAVY = ("torch", "transformers", "numpy", "PIL", "scipy", "skimage", "cv2", "easy_vqa")


def _heavy_after(code: str) -> str:
    code = f"import sys\n{code}\nprint([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_describing_a_task_loads_nothing_heavy(name: str):
    build = f"from harness.registry import tasks; tasks().get({name!r})().metadata"
    assert _heavy_after(build) == "[]"


def test_describing_all_suites_loads_nothing_heavy():
    load = "from harness.registry import suites; [suites().get(name) for name in suites()]"
    assert _heavy_after(load) == "[]"


COUNTS = {
    "easy-vqa": "questions",
    "ocr-roundtrip": "images",
    "reconstruction": "images",
    "shapes-edit": "edits",
    "shapes-geneval": "prompts",
    "shapes-mmbench": "questions",
    "shapes-ocr": "words",
    "text-rendering": "prompts",
}


@pytest.mark.parametrize(("name", "option"), COUNTS.items())
@pytest.mark.parametrize("value", [0, -1])
def test_a_task_of_nothing_is_refused(name: str, option: str, value: int):
    with pytest.raises(SpecError, match=f"{name}: option '{option}' is {value}") as caught:
        list(tasks().get(name)({option: value}).samples())
    assert "at least 1" in caught.value.remedy


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "easy-vqa"])
def test_fewer_samples_are_the_first_ones(name: str):
    few, more = (list(tasks().get(name)({COUNTS[name]: n}).samples()) for n in (3, 5))
    assert 0 < len(few) < len(more)
    assert more[: len(few)] == few


@pytest.mark.parametrize("name", suites().names())
def test_suites_name_existing_tasks_with_valid_options(name: str):
    suite = suites().get(name)
    assert suite.name == name
    for entry in suite.entries:
        tasks().get(entry.task)(entry.options)
