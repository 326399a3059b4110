"""Tasks that ask about the model's own responses: order, failures, lost pictures, plans.

Invariance under batches, order, buffers and kills is tested with every other toy task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import current_thread
from typing import Any, ClassVar

import pytest

from harness.errors import RunFailedError
from harness.ledger import Entry, Ledger
from harness.records import (
    AnswerRequest,
    GenerateImageRequest,
    Response,
    Sample,
    Verdict,
)
from harness.run import plan, rescore
from harness.run.rebuild import rebuild_request
from harness.runspec import RunSpec
from harness.task import FollowUpTask, Task
from tests.harness import toys
from tests.harness.conftest import Run

NAME = "toy-follow-ups"


def entries(folder: Path) -> dict[str, Entry]:
    with Ledger.open(folder) as ledger:
        return {entry.sample.key: entry for entry in ledger.entries(NAME)}


class Noting(toys.ToyModel):
    """Notes kinds and seeds of what it's asked; fails where told to."""

    def __init__(self, fail: Callable[[Any], bool] = lambda _: False) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.fail = fail

    def serve(self, requests: Sequence[Any]) -> None:
        if any(self.fail(request) for request in requests):
            raise RuntimeError("a bad day")
        self.asked += requests


def draws(prompt: str) -> Callable[[Any], bool]:
    return lambda r: isinstance(r, GenerateImageRequest) and r.prompt == prompt


def test_every_question_shows_the_picture_it_follows(run: Run, tmp_path: Path):
    adapter = Noting()
    run(NAME, adapter=adapter)
    kinds = [type(request) for request in adapter.asked]
    assert kinds == [GenerateImageRequest] * 12 + [AnswerRequest] * 24
    found = entries(tmp_path / "run")
    assert len({request.seed for request in adapter.asked}) == 36
    for request in adapter.asked[12:]:
        question = next(e for e in found.values() if e.prompt == request.prompt)
        about = found[f"{question.sample.data['about']}#{question.sample.k}"]
        drawn = next(r for r in adapter.asked[:12] if r.prompt == about.prompt and r.seed)
        assert drawn.prompt.endswith(about.sample.id)
        red = question.outcome.details["red"]
        assert request.images[0].getpixel((0, 0))[0] == red == about_red(tmp_path, about)


def about_red(tmp_path: Path, entry: Entry) -> int:
    from PIL import Image

    with Image.open(tmp_path / "run" / entry.response.image_path) as image:
        return image.getpixel((0, 0))[0]


def test_questions_about_a_failed_drawing_are_missing_and_asked_later(run: Run, tmp_path: Path):
    run(NAME, out="whole")
    run(NAME, adapter=Noting(draws("Draw d2")))
    found = entries(tmp_path / "run")
    verdicts = {key: entry.outcome.verdict for key, entry in found.items() if "d2" in key}
    assert verdicts == {
        "d2#0": Verdict.ERRORED,
        "d2#1": Verdict.ERRORED,
        **{f"d2/q{q}#{k}": Verdict.MISSING for q in (0, 1) for k in (0, 1)},
    }
    assert "follows sample d2#1" in found["d2/q0#1"].outcome.reason
    again = Noting()
    run(NAME, adapter=again, retry_errors=True)
    assert len(again.asked) == 6  # two drawings and their four questions, nothing else
    whole = entries(tmp_path / "whole")
    assert {k: e.outcome for k, e in entries(tmp_path / "run").items()} == {
        k: e.outcome for k, e in whole.items()
    }


def test_resuming_without_retries_asks_no_question_of_a_failed_drawing(run: Run, tmp_path: Path):
    run(NAME, adapter=Noting(draws("Draw d2")))
    again = Noting()
    run(NAME, adapter=again)
    assert again.asked == []
    assert entries(tmp_path / "run")["d2/q0#0"].outcome.verdict is Verdict.MISSING


def test_failing_questions_leave_the_drawings(run: Run, tmp_path: Path):
    with pytest.raises(RunFailedError):
        run(NAME, adapter=Noting(lambda r: isinstance(r, GenerateImageRequest)))
    run(NAME, out="second", adapter=Noting(lambda r: isinstance(r, AnswerRequest)))
    verdicts = [e.outcome.verdict for e in entries(tmp_path / "second").values()]
    assert verdicts.count(Verdict.OK) == 12
    assert verdicts.count(Verdict.ERRORED) == 24


def test_a_lost_drawing_is_drawn_again_and_all_comes_out_the_same(run: Run, tmp_path: Path):
    run(NAME)
    before = entries(tmp_path / "run")
    (tmp_path / "run" / before["d1#0"].response.image_path).unlink()
    rescore(tmp_path / "run")
    lost = entries(tmp_path / "run")
    assert lost["d1#0"].outcome.verdict is Verdict.MISSING
    assert lost["d1/q0#0"].outcome.verdict is Verdict.MISSING
    again = Noting()
    run(NAME, adapter=again)
    kinds = [type(request) for request in again.asked]
    assert kinds == [GenerateImageRequest, AnswerRequest, AnswerRequest]
    after = entries(tmp_path / "run")
    assert {k: e.outcome for k, e in after.items()} == {k: e.outcome for k, e in before.items()}


def test_scoring_again_changes_nothing(run: Run, tmp_path: Path):
    run(NAME)
    before = entries(tmp_path / "run")
    rescore(tmp_path / "run")
    assert entries(tmp_path / "run") == before


def test_a_limit_keeps_what_the_kept_questions_follow(
    run: Run, spec: Callable[..., RunSpec], tmp_path: Path
):
    run(NAME, limit=4)
    found = entries(tmp_path / "run")
    assert list(found) == ["d0#0", "d0/q0#0", "d0/q1#0", "d0#1"]
    assert all(entry.outcome.verdict.is_known for entry in found.values())


def test_a_plan_counts_questions_with_their_pictures(spec: Callable[..., RunSpec]):
    (work,) = plan(spec(NAME)).tasks
    assert (work.samples, work.images_out, work.images_in) == (36, 12, 24)
    assert work.completion_tokens_at_most == 24 * 4


def test_requests_are_rebuilt_with_the_picture_that_was_shown(run: Run, tmp_path: Path):
    run(NAME)
    with Ledger.open(tmp_path / "run") as ledger:
        for entry in ledger.entries(NAME):
            request = rebuild_request(toys.ToyFollowUps(), 0, entry, ledger)
            assert request is not None
            assert isinstance(request, AnswerRequest) is ("about" in entry.sample.data)


class Threads(toys.ToyFollowUps):
    """Notes which thread calls what."""

    calls: ClassVar[list[tuple[str, str]]] = []

    def note(self, what: str) -> None:
        self.calls.append((what, current_thread().name))

    def follows(self, sample: Sample) -> tuple[str, int] | None:
        self.note("follows")
        return super().follows(sample)

    def request(self, sample: Sample, seed: int) -> Any:
        self.note("request")
        return super().request(sample, seed)

    def request_after(self, sample: Sample, earlier: Response, seed: int) -> Any:
        self.note("request_after")
        return super().request_after(sample, earlier, seed)


def test_while_requests_are_made_one_thread_alone_calls_the_task(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    from harness.registry import tasks

    monkeypatch.setitem(tasks()._added, NAME, Threads)
    monkeypatch.setattr(Threads, "calls", [])
    run(NAME)
    names = [what for what, _ in Threads.calls]
    last = len(names) - names[::-1].index("request_after")
    making = Threads.calls[names.index("request") : last]
    assert {what for what, _ in making} == {"request", "follows", "request_after"}
    assert {thread for _, thread in making} == {"task_0"}


class Eager(toys.ToyFollowUps):
    """Follows a sample that isn't there."""

    def follows(self, sample: Sample) -> tuple[str, int] | None:
        return ("nowhere", 0) if sample.id == "d0/q0" else super().follows(sample)


def test_following_nothing_is_that_samples_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from harness.registry import tasks

    monkeypatch.setitem(tasks()._added, NAME, Eager)
    run(NAME)
    found = entries(tmp_path / "run")
    assert found["d0/q0#0"].outcome.verdict is Verdict.ERRORED
    assert "no sample 'nowhere'" in found["d0/q0#0"].outcome.reason
    assert found["d0/q1#0"].outcome.verdict.is_known


def test_scoring_without_the_earlier_response_is_the_default():
    class Plain(toys.ToyFollowUps):
        score_after = FollowUpTask.score_after

    assert issubclass(FollowUpTask, Task)
    sample, said = Sample(id="d0/q0", data={"about": "d0"}), Response(text="x")
    assert Plain().score_after(sample, said, Response(text="y")).scores == {"accuracy": 1.0}
