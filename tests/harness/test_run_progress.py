"""Progress: right counts, rate and remaining time, on terminals and in logs."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from harness.run import PlainProgress, RichProgress, make_progress
from tests.harness.conftest import Run
from tests.harness.test_run_invariance import ALL


class Listener:
    """Remembers what it's told."""

    def __init__(self) -> None:
        self.phases: list[list[Any]] = []
        self.finished = 0

    def start(self, task: str, phase: str, total: int, done: int) -> None:
        self.phases.append([task, phase, total, done])

    def advance(self, count: int) -> None:
        self.phases[-1][3] += count

    def message(self, text: str) -> None:
        return

    def finish(self) -> None:
        self.finished += 1


def test_every_phase_ends_at_its_total(run: Run):
    listener = Listener()
    run(*ALL, progress=listener, batch_size=7)
    assert all(total == done for _, _, total, done in listener.phases)
    assert listener.finished == len(listener.phases) == 6 * 2 + 1
    assert {phase for _, phase, _, _ in listener.phases} == {
        "asking the model about",
        "measuring",
        "scoring",
    }


def test_a_complete_run_has_no_phases(run: Run):
    run(*ALL)
    listener = Listener()
    run(*ALL, progress=listener)
    assert listener.phases == []


def test_plain_lines_tell_rate_and_remaining_time():
    now = 0.0
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=10, clock=lambda: now)
    progress.start("t", "scoring", 100, 40)
    now = 9.0
    progress.advance(10)
    now = 10.0
    progress.advance(10)
    now = 30.0
    progress.advance(40)
    progress.finish()
    assert stream.getvalue().splitlines() == [
        "t: scoring 100 samples, 40 done earlier",
        "t: scoring 60/100, 2/s, about 0:00:20 left",
        "t: scoring 100/100, 2/s, about 0:00:00 left",
        "t: scoring 100/100 done in 0:00:30",
    ]


def test_plain_lines_survive_a_phase_that_does_not_move():
    now = 0.0
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=1, clock=lambda: now)
    progress.start("t", "scoring", 10, 0)
    now = 5.0
    progress.advance(0)
    progress.finish()
    assert "0/10" in stream.getvalue()


def test_bars_show_tasks_with_odd_names(run: Run):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with RichProgress(console) as progress:
        run(*ALL, progress=progress)
        progress.start("[red]t[/x", "scoring", 1, 0)
        progress.advance(1)
        progress.finish()
        progress.advance(1)
        progress.message("[bold]as it is")
    text = stream.getvalue()
    assert "toy-answers: scoring" in text
    assert "40/40" in text
    assert "[bold]as it is" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "kind"), [(io.StringIO(), PlainProgress), (Terminal(), RichProgress)]
)
def test_a_terminal_gets_bars_and_a_log_gets_lines(run: Run, stream: Any, kind: type):
    with make_progress(stream) as progress:
        assert isinstance(progress, kind)
        run("toy-answers", progress=progress)
    assert "toy-answers: scoring" in stream.getvalue()
