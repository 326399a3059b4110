"""Task code beside the model: in one thread, in order, and only as a shortcut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.records import Identity, Outcome, Request, Response, Sample
from harness.run import EngineSettings
from harness.run.ahead import Pace, in_advance, task_thread
from tests.harness import toys
from tests.harness.conftest import Run


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with task_thread() as thread:
        yield thread


def test_results_come_in_order(pool: ThreadPoolExecutor):
    def double(part: list[int]) -> list[int]:
        return [2 * item for item in part]

    for least in (1, 3, 1000):
        assert list(in_advance(pool, double, range(100), least)) == list(range(0, 200, 2))
    assert list(in_advance(pool, double, [], 4)) == []


def test_items_are_read_here_and_worked_on_there(pool: ThreadPoolExecutor):
    read, worked = set[str](), set[str]()

    def items() -> Iterator[int]:
        for item in range(10):
            read.add(threading.current_thread().name)
            yield item

    def work(part: list[int]) -> list[int]:
        worked.add(threading.current_thread().name)
        return part

    list(in_advance(pool, work, items(), 2))
    assert read == {threading.current_thread().name}
    assert worked == {"task_0"}


def test_the_next_part_is_made_while_one_is_used(pool: ThreadPoolExecutor):
    second = threading.Event()

    def work(part: list[int]) -> list[int]:
        if part == [1]:
            second.set()
        return part

    results = in_advance(pool, work, [0, 1], 1)
    assert next(results) == 0
    assert second.wait(10)  # without anybody asking for it
    assert list(results) == [1]


def test_no_more_than_two_parts_are_made_ahead(pool: ThreadPoolExecutor):
    read: list[int] = []

    def slow(part: list[int]) -> list[int]:
        time.sleep(0.01)
        return part

    results = in_advance(pool, slow, (read.append(i) or i for i in range(100)), 4)
    next(results)
    assert len(read) <= 8


def test_what_the_work_raises_passes_through(pool: ThreadPoolExecutor):
    def broken(part: list[int]) -> list[int]:
        raise ValueError(part)

    with pytest.raises(ValueError, match=r"\[1\]"):
        list(in_advance(pool, broken, [1], 1))


def test_a_pace_follows_the_work():
    pace = Pace(16)
    for _ in range(10):
        pace.note(0.0)
    assert pace.size == 256
    pace.note(0.004)
    assert pace.size == 256
    for _ in range(10):
        pace.note(1.0)
    assert pace.size == 16


def test_a_pace_that_begins_high_stays_there():
    pace = Pace(1000)
    pace.note(0.0)
    assert pace.size == 1000


class Watched(toys.ToyTask):
    """Notes which thread calls it, and never lets two of them in."""

    metadata = toys.metadata("toy-watched", *toys.ToyTask.metadata.requires)
    threads: list[tuple[str, str]]
    inside = threading.Lock()
    pause = 0.0

    def request(self, sample: Sample, seed: int) -> Request:
        self._note("request")
        return super().request(sample, seed)

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        self._note("score")
        return super().score_batch(pairs)

    def _note(self, what: str) -> None:
        assert self.inside.acquire(blocking=False)
        time.sleep(self.pause)
        self.threads.append((what, threading.current_thread().name))
        self.inside.release()


class Preparing(Watched):
    metadata = toys.metadata("toy-preparing", *toys.ToyTask.metadata.requires)

    def prepare(self) -> None:
        return


class WithJudge(Watched):
    metadata = toys.metadata("toy-with-judge", *toys.ToyTask.metadata.requires)

    def judge(self) -> Identity:
        return Identity(id="somebody", version="1")


class Slow(toys.ToyModel):
    """A model that leaves time for its neighbours."""

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        time.sleep(0.02)
        return super().answer(requests)


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.registry import tasks

    for task in (Watched, Preparing, WithJudge):
        monkeypatch.setattr(task, "threads", [], raising=False)
        monkeypatch.setitem(tasks()._added, task.metadata.name, task)


def scored_early(task: type[Watched]) -> int:
    return sum(call == ("score", "task_0") for call in task.threads)


SETTINGS = EngineSettings(ahead=4)


def test_a_task_is_called_by_one_thread_while_the_model_works(run: Run, tmp_path: Path):
    run("toy-watched", adapter=Slow(), batch_size=2, settings=SETTINGS)
    requests = {thread for what, thread in Watched.threads if what == "request"}
    assert requests == {"task_0"}
    assert scored_early(Watched) >= 3
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.counts("toy-watched").judged == 40


@pytest.mark.parametrize("task", [Preparing, WithJudge])
def test_what_needs_a_judge_waits_until_the_model_is_gone(run: Run, task: type[Watched]):
    run(task.metadata.name, adapter=Slow(), batch_size=2, settings=SETTINGS)
    assert scored_early(task) == 0
    assert "score" in {what for what, _ in task.threads}


def test_a_scorer_slower_than_the_model_is_left_for_later(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Watched, "pause", 0.05)
    run("toy-watched", batch_size=1, settings=EngineSettings(ahead=1))
    early = scored_early(Watched)
    assert 0 < early < 30
    assert len([what for what, _ in Watched.threads if what == "score"]) > early


def test_switched_off_nothing_is_scored_early(run: Run):
    settings = EngineSettings(ahead=4, early_scores=False)
    run("toy-watched", adapter=Slow(), batch_size=2, settings=settings)
    assert scored_early(Watched) == 0


def test_no_thread_is_left_behind(run: Run):
    run("toy-watched", "toy-pictures")
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("task", "decode", "png"))]
