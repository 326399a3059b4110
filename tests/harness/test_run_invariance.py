"""What a run yields doesn't depend on batch size, order, buffers, or interruptions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines.service import service_of
from harness.ledger import Ledger, Pending, export
from harness.ledger.export import export_rows
from harness.records import AnswerRequest, Response
from harness.run import EngineSettings
from harness.run.progress import NoProgress
from tests.harness import toys
from tests.harness.conftest import Run

ALL = [task.metadata.name for task in toys.TASKS]
TIMES = ("ttft_s", "total_s", "batch_size", "first")


def content(folder: Path) -> list[dict[str, Any]]:
    """The exported rows without timings, and the bytes of every picture."""
    rows = []
    for row in export_rows(folder):
        picture = row["image_path"] and (folder / row["image_path"]).read_bytes()
        rows.append({k: v for k, v in row.items() if k not in TIMES} | {"picture": picture})
    return rows


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return {}


@pytest.fixture
def expected(run: Run, tmp_path: Path, reference: dict[str, Any]) -> list[dict[str, Any]]:
    if not reference:
        run(*ALL, out="reference", batch_size=1)
        reference["rows"] = content(tmp_path / "reference")
    return reference["rows"]


def shuffled(seed: int) -> Callable[[list[Pending]], list[Pending]]:
    return lambda page: random.Random(seed).sample(page, len(page))


def reversed_page(page: list[Pending]) -> list[Pending]:
    return page[::-1]


@pytest.mark.parametrize("batch_size", [1, 4, 7, 64, None])
def test_batch_size_changes_nothing(run: Run, tmp_path: Path, expected: Any, batch_size: Any):
    run(*ALL, batch_size=batch_size)
    assert content(tmp_path / "run") == expected


@pytest.mark.parametrize("rearrange", [shuffled(1), shuffled(2), reversed_page])
@pytest.mark.parametrize("page", [256, 11])
def test_order_changes_nothing(run: Run, tmp_path: Path, expected: Any, rearrange: Any, page: int):
    run(*ALL, settings=EngineSettings(rearrange=rearrange, page=page), batch_size=4)
    assert content(tmp_path / "run") == expected


@pytest.mark.parametrize(
    "settings",
    [
        EngineSettings(page=1, waiting_limit=1, score_batch=1, encoders=1, encoder_queue=1),
        EngineSettings(page=7, waiting_limit=3, score_batch=3, encoders=4, encoder_queue=0),
        EngineSettings(ahead=1, decoders=1),
        EngineSettings(ahead=100, decoders=4),
        EngineSettings(early_scores=False),
    ],
)
def test_buffers_change_nothing(run: Run, tmp_path: Path, expected: Any, settings: EngineSettings):
    run(*ALL, settings=settings, batch_size=5)
    assert content(tmp_path / "run") == expected


class StopAfter(NoProgress):
    """Presses Ctrl-C after a number of finished samples."""

    def __init__(self, count: int) -> None:
        self.left = count

    def advance(self, count: int) -> None:
        import signal

        self.left -= count
        if self.left <= 0:
            self.left = 1 << 30
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("every", [1, 13, 50])
def test_interruptions_change_nothing(run: Run, tmp_path: Path, expected: Any, every: int):
    from harness.errors import RunInterruptedError

    limit = 3 if every == 1 else 40
    stops = 0
    for _ in range(limit):
        try:
            run(*ALL, progress=StopAfter(every), batch_size=3)
        except RunInterruptedError:
            stops += 1
        else:
            break
    else:
        run(*ALL)
    assert stops >= 3
    assert content(tmp_path / "run") == expected


def test_exports_are_byte_for_byte_the_same_but_for_times(run: Run, tmp_path: Path):
    for out, size in (("a", 1), ("b", 7)):
        run("toy-probe", out=out, batch_size=size)
    assert (
        export(tmp_path / "a", "jsonl").read_bytes() == export(tmp_path / "b", "jsonl").read_bytes()
    )


def test_another_seed_changes_every_answer(run: Run, tmp_path: Path):
    run("toy-answers", out="a", seed=0)
    run("toy-answers", out="b", seed=1)
    pairs = list(zip(content(tmp_path / "a"), content(tmp_path / "b"), strict=True))
    assert all(a["text"] != b["text"] and a["request"] != b["request"] for a, b in pairs)


def test_batches_are_homogeneous_and_full(run: Run):
    adapter = toys.ToyModel()
    run("toy-answers", "toy-pictures", "toy-edits", adapter=adapter, batch_size=4)
    for batch in adapter.batches:
        assert len({type(request) for request in batch}) == 1
        assert len({getattr(request, "decoding", None) for request in batch}) == 1
        assert len({adapter.batch_key(request) for request in batch}) == 1
    sizes = [len(batch) for batch in adapter.batches]
    assert max(sizes) == 4
    assert sizes.count(4) >= len(sizes) - 5  # one remainder per task and decoding


def test_no_more_requests_wait_than_allowed(run: Run, monkeypatch: pytest.MonkeyPatch):
    """Every sample its own group: the worst case for waiting."""
    from harness.run.batches import Batcher

    waiting: list[int] = []
    add = Batcher.add

    def spy(self: Batcher, ask: Any) -> Any:
        batch = add(self, ask)
        waiting.append(self._waiting)
        return batch

    monkeypatch.setattr(Batcher, "add", spy)
    adapter = toys.ToyModel()
    monkeypatch.setattr(adapter, "batch_key", lambda request: request.seed)
    run("toy-answers", adapter=adapter, batch_size=2)
    assert max(waiting) < 16
    assert len(adapter.batches) == 40


def test_a_stored_timing_is_the_batch_s(run: Run, tmp_path: Path):
    run("toy-answers", batch_size=4, args={"sleep": 0.01})
    with Ledger.open(tmp_path / "run") as ledger:
        for entry in ledger.entries("toy-answers"):
            assert entry.response is not None
            timing = entry.response.timing
            assert timing.total_s is not None
            assert timing.total_s >= 0.01
            assert 1 <= timing.batch_size <= 4
        counted, seconds = ledger.timings("toy-answers")
    assert counted == 34, "without the first batch of four and the first of two, maybe cold"
    assert seconds >= 0.01 * 8


@pytest.mark.parametrize(("samples", "counted"), [(1, 1), (4, 2), (12, 8)])
def test_cold_batches_forecast_nothing_where_there_are_others(
    run: Run, tmp_path: Path, samples: int, counted: int
):
    """Those of an even and of an odd number make batches of their own."""
    adapter = ColdStart()
    run("toy-answers", adapter=adapter, batch_size=4, limit=samples)
    with Ledger.open(tmp_path / "run") as ledger:
        times, timings = ledger.batch_times("toy-answers"), ledger.timings("toy-answers")
        service = service_of(ledger, ["toy-answers"])["toy-answers"]
    assert timings.responses == sum(size for size, _ in times) == counted
    warm = samples > 1
    assert (timings.seconds < 0.2) == (service.mean_s(4) < 0.2) == warm


class ColdStart(toys.ToyModel):
    """Its first call takes longer."""

    called = False

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        time.sleep(0.0 if self.called else 0.3)
        self.called = True
        return super().answer(requests)
