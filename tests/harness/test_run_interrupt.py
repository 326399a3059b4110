"""Ctrl-C: once for a clean stop, twice for an immediate one."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunInterruptedError
from harness.ledger import Ledger, read_manifest
from harness.records import Response, RunStatus
from harness.run.interruption import Interruption
from tests.harness import toys
from tests.harness.conftest import Run
from tests.harness.test_run_resume import committed, start


class Interrupted(toys.ToyModel):
    """Presses Ctrl-C while it serves its second batch."""

    presses = 1

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        if len(self.batches) == 1:
            for _ in range(self.presses):
                signal.raise_signal(signal.SIGINT)
        return super().answer(requests)


class InterruptedTwice(Interrupted):
    presses = 2


def test_the_first_ctrl_c_finishes_the_batch_and_stores_it(run: Run, tmp_path: Path):
    with pytest.raises(RunInterruptedError, match="repeat the same command") as caught:
        run(adapter=Interrupted(), batch_size=4)
    assert caught.value.exit_code == 130
    assert read_manifest(tmp_path / "run").status is RunStatus.INTERRUPTED
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.counts("toy-answers") == (40, 8, 8, 0)
    adapter = toys.ToyModel()
    assert run(adapter=adapter, batch_size=4).status is RunStatus.COMPLETE
    assert sum(map(len, adapter.batches)) == 32


def test_the_second_ctrl_c_stops_at_once(run: Run, tmp_path: Path):
    with pytest.raises(RunInterruptedError) as caught:
        run(adapter=InterruptedTwice(), batch_size=4)
    assert caught.value.exit_code == 130
    assert read_manifest(tmp_path / "run").status is RunStatus.INTERRUPTED
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.counts("toy-answers").answered <= 4
    assert run(adapter=toys.ToyModel()).status is RunStatus.COMPLETE


def test_ctrl_c_while_scoring_keeps_what_is_scored(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    score = toys.ToyTask.score

    def press(self: Any, sample: Any, response: Any) -> Any:
        if sample.key == "s3#0":
            signal.raise_signal(signal.SIGINT)
        return score(self, sample, response)

    from harness.run import EngineSettings

    with monkeypatch.context() as pressing:
        pressing.setattr(toys.ToyTask, "score", press)
        with pytest.raises(RunInterruptedError):
            run(settings=EngineSettings(score_batch=5, early_scores=False))
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.counts("toy-answers") == (40, 40, 40, 10)
    assert run().status is RunStatus.COMPLETE


def test_ctrl_c_between_measurements(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measure = toys.ToyProbe.measure

    def press(self: Any, adapter: Any, sample: Any, context: Any) -> Any:
        if sample.id == "m1":
            signal.raise_signal(signal.SIGTERM)
        return measure(self, adapter, sample, context)

    with monkeypatch.context() as pressing:
        pressing.setattr(toys.ToyProbe, "measure", press)
        with pytest.raises(RunInterruptedError):
            run("toy-probe")
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.counts("toy-probe").judged == 2
    assert run("toy-probe").status is RunStatus.COMPLETE


def test_handlers_are_put_back(run: Run):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_only_a_request_stops():
    caught: list[BaseException] = []

    def work() -> None:
        with Interruption() as interruption:
            interruption.check()
            interruption.request()
            try:
                interruption.check()
            except RunInterruptedError as error:
                caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_process_stops_cleanly(tmp_path: Path, number: signal.Signals):
    out = tmp_path / "run"
    process = start(out, tmp_path / "log", 0.02)
    deadline = time.monotonic() + 60
    while committed(out) < 6:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, sys.exc_info()  # the toy has no command line to map the code
    assert "RunInterruptedError" in stderr.decode()
    assert read_manifest(out).status is RunStatus.INTERRUPTED
    done = committed(out)
    assert len((tmp_path / "log").read_text().split()) <= done + 3
