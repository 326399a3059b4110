"""A run over many workers ends with what the local engine gives, whatever happens to workers."""

from __future__ import annotations

import random
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.engines.wire import decode_hello, encode
from harness.errors import RunFailedError, RunInterruptedError
from harness.ledger import Ledger, read_manifest
from harness.records import RunStatus, Verdict
from harness.registry import models, tasks
from harness.run import EngineSettings
from harness.run.progress import NoProgress
from harness.runspec import EngineSpec, TaskRef
from tests.engines.conftest import JudgedPictures
from tests.engines.inline import Inline
from tests.harness import toys
from tests.harness.test_run_invariance import ALL, content

JUDGED = [*ALL, "toy-judged"]


class Failing(Inline):
    """Workers and judges that die or hang at random."""

    def __init__(self, workers: int, seed: int, rate: float) -> None:
        super().__init__(workers, seed)
        self.rate = rate
        self.faults = 0

    def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
        fault = dice.choice(["die", "hang"]) if dice.random() < self.rate else ""
        self.faults += bool(fault)
        return fault


class Messages(NoProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, text: str) -> None:
        self.texts.append(text)


def of(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Rows of some tasks, without the id of their run, which depends on all its tasks."""
    return [{**row, "run": ""} for row in rows if row["task"] in names]


def asked(inline: Inline) -> list[int]:
    """Rows that workers were sent, in order; judges are sent pictures as well."""
    shards = [work[1] for _, work in inline.sent if isinstance(work[2], list)]
    return [n for rows in shards for n, *_ in rows]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return {}


@pytest.fixture
def expected(run: Any, tmp_path: Path, reference: dict[str, Any]) -> list[dict[str, Any]]:
    if not reference:
        run(*JUDGED, out="reference", batch_size=3)
        reference["rows"] = content(tmp_path / "reference")
    return reference["rows"]


@pytest.mark.parametrize(("workers", "judges"), [(1, 0), (2, 2), (7, 0), (7, 2), (40, 1)])
def test_the_result_is_the_local_one(
    spread: Any, tmp_path: Path, expected: Any, workers: int, judges: int
):
    engine = Inline(workers, seed=workers)
    manifest = spread(*JUDGED, inline=engine, batch_size=3, engine=EngineSpec(judges=judges))
    assert content(tmp_path / "run") == expected
    assert manifest.status is RunStatus.COMPLETE
    assert manifest.fingerprint == toys.ToyModel().fingerprint()


@pytest.mark.parametrize("seed", range(6))
def test_lost_and_hanging_workers_change_nothing(
    spread: Any, tmp_path: Path, expected: Any, seed: int
):
    """With attempts enough that no sample runs out of them."""
    inline = Failing(4, seed, rate=0.15)
    spread(*JUDGED, inline=inline, batch_size=3, engine=EngineSpec(attempts=1000))
    assert content(tmp_path / "run") == expected
    assert inline.faults > 10
    assert len(inline.started) > inline.faults


class Lagging(Failing):
    """Whoever has the first shard gets on only while the others have nothing to do."""

    def __init__(self, rate: float = 0.0, seed: int = 0) -> None:
        super().__init__(4, seed, rate)

    def lags(self, number: int) -> bool:
        return bool(self.sent) and number == self.sent[0][0]


def test_what_a_slow_worker_holds_is_repeated_by_idle_ones(
    spread: Any, tmp_path: Path, expected: Any
):
    inline = Lagging()
    spread("toy-answers", "toy-pictures", inline=inline, batch_size=3)
    rows = asked(inline)
    assert len(rows) > len(set(rows))
    wanted = of(expected, "toy-answers", "toy-pictures")
    assert of(content(tmp_path / "run"), "toy-answers", "toy-pictures") == wanted


def test_without_copies_no_sample_is_asked_twice(spread: Any, tmp_path: Path, expected: Any):
    inline = Lagging()
    spread("toy-answers", inline=inline, batch_size=3, engine=EngineSpec(copies=False))
    rows = asked(inline)
    assert len(rows) == len(set(rows))
    assert of(content(tmp_path / "run"), "toy-answers") == of(expected, "toy-answers")


@pytest.mark.parametrize("seed", range(4))
def test_lost_workers_that_repeat_or_are_repeated_change_nothing(
    spread: Any, tmp_path: Path, expected: Any, seed: int
):
    inline = Lagging(rate=0.1, seed=seed)
    spread(*JUDGED, inline=inline, batch_size=3, engine=EngineSpec(attempts=1000))
    assert content(tmp_path / "run") == expected
    assert inline.faults > 5


def test_a_measurement_is_never_repeated(spread: Any):
    inline = Lagging()
    toys.ToyProbe.measured.clear()
    spread("toy-probe", "toy-answers", inline=inline, batch_size=3)
    assert toys.ToyProbe.measured == [f"m{i}" for i in range(5)]


class Deadly(Inline):
    """One sample kills every worker that begins it; the first loss may take its batch along."""

    def __init__(self, row: int, role: str = "worker") -> None:
        super().__init__(3)
        self.row, self.role, self.deaths = row, role, 0

    def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
        deadly = role == self.role and kind == "began" and self.row in content
        self.deaths += deadly
        return "die" if deadly else ""


@pytest.mark.parametrize("attempts", [2, 3, 5])
def test_a_sample_that_kills_workers_is_errored_alone(
    spread: Any, tmp_path: Path, expected: Any, attempts: int
):
    inline = Deadly(17)
    spread("toy-answers", inline=inline, batch_size=4, engine=EngineSpec(attempts=attempts))
    assert inline.deaths == attempts
    rows = content(tmp_path / "run")
    assert [row["verdict"] for row in rows].count("errored") == 1
    assert rows[17]["verdict"] == "errored"
    assert rows[17]["reason"].startswith(f"{attempts} workers were lost with this sample: killed")
    wanted = of(expected, "toy-answers")
    rows = of(rows, "toy-answers")
    assert rows[:17] + rows[18:] == wanted[:17] + wanted[18:]


def test_one_attempt_errors_the_batch_in_flight_and_nothing_else(spread: Any, tmp_path: Path):
    spread("toy-pictures", inline=Deadly(9), batch_size=2, engine=EngineSpec(attempts=1))
    errored = [row for row in content(tmp_path / "run") if row["verdict"] == "errored"]
    assert 1 <= len(errored) <= 2


def test_an_errored_sample_is_asked_again_on_request(spread: Any, tmp_path: Path, expected: Any):
    spread("toy-judged", inline=Deadly(5), engine=EngineSpec(attempts=1))
    spread("toy-judged", inline=Inline(), retry_errors=True)
    assert of(content(tmp_path / "run"), "toy-judged") == of(expected, "toy-judged")


def test_a_response_that_kills_judges_is_judge_failed(spread: Any, tmp_path: Path):
    inline = Deadly(11, role="judge")
    settings = EngineSettings(score_batch=4)
    spread("toy-judged", inline=inline, settings=settings, engine=EngineSpec(attempts=2))
    rows = content(tmp_path / "run")
    assert rows[11]["verdict"] == Verdict.JUDGE_FAILED
    assert rows[11]["reason"].startswith("2 judges were lost with this response")
    assert [row["verdict"] for row in rows].count("judge_failed") == 1


def test_a_probe_that_kills_its_worker_is_errored_and_the_others_measured(
    spread: Any, tmp_path: Path
):
    spread("toy-probe", inline=Deadly(2), engine=EngineSpec(attempts=2))
    assert [r["verdict"] for r in content(tmp_path / "run")] == ["ok", "ok", "errored", "ok", "ok"]


def test_measurements_of_a_probe_stay_on_one_worker_in_order(spread: Any):
    inline = Inline(4)
    toys.ToyProbe.measured.clear()
    spread("toy-probe", inline=inline)
    assert toys.ToyProbe.measured == [f"m{i}" for i in range(5)]
    assert len(inline.sent) == 1


def test_judging_overlaps_generating(spread: Any, tmp_path: Path):
    """The first verdict is there before the last response."""
    order: list[str] = []

    class Watched(Inline):
        def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
            if kind == "reported":
                order.append(role)
            return ""

    spread("toy-judged", inline=Watched(2), batch_size=1, settings=EngineSettings(score_batch=3))
    assert order.index("judge") < len(order) - 1 - order[::-1].index("worker")
    assert JudgedPictures.prepared == 1, "the driver loads no judge of its own"


def test_judges_give_a_sign_of_life_every_eight_responses(
    spread: Any, tmp_path: Path, expected: Any
):
    signs: list[tuple[str, int]] = []

    class Watched(Inline):
        def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
            if role == "judge":
                signs.append((kind, len(content)))
            return ""

    inline = Watched(2)
    spread("toy-judged", inline=inline, settings=EngineSettings(score_batch=20))
    shards = [len(work[1]) for _, work in inline.sent if isinstance(work[2], dict)]
    parts = [min(8, size - start) for size in shards for start in range(0, size, 8)]
    assert max(shards) == 20
    assert signs == [(kind, size) for size in parts for kind in ("began", "reported")]
    assert of(content(tmp_path / "run"), "toy-judged") == of(expected, "toy-judged")


def test_a_judge_that_dies_takes_eight_responses_along_at_most(spread: Any, tmp_path: Path):
    inline = Deadly(11, role="judge")
    settings = EngineSettings(score_batch=20)
    spread("toy-judged", inline=inline, settings=settings, engine=EngineSpec(attempts=1))
    failed = [row for row in content(tmp_path / "run") if row["verdict"] == "judge_failed"]
    assert 1 <= len(failed) <= 8


def test_only_tasks_with_a_judge_go_to_judges(spread: Any):
    inline = Inline(2)
    spread("toy-pictures", "toy-answers", inline=inline)
    assert set(inline.started) == {"worker"}


class NoJudge(JudgedPictures):
    """Its judge can't be loaded in workers."""

    metadata = toys.metadata("toy-nojudge", *toys.ToyPictures.metadata.requires)
    broken = 3

    def prepare(self) -> None:
        if type(self).broken:
            type(self).broken -= 1
            raise RuntimeError("no weights here")


def test_judges_that_cannot_start_leave_scoring_to_the_driver(spread: Any, tmp_path: Path):
    tasks().add("toy-nojudge", NoJudge)
    progress = Messages()
    spread("toy-nojudge", inline=Inline(2), progress=progress)
    assert any("no judge could be started" in text for text in progress.texts)
    assert {row["verdict"] for row in content(tmp_path / "run")} <= {"ok", "wrong"}


class Broken(toys.ToyModel):
    def __init__(self, **args: Any) -> None:
        raise RuntimeError("no GPU here")


def test_a_model_that_cannot_be_built_ends_the_run(spread: Any, tmp_path: Path):
    models().add("broken", Broken)
    with pytest.raises(RunFailedError, match="no worker could be started:\nno GPU here"):
        spread("toy-answers", inline=Inline(2), model="broken")
    assert not (tmp_path / "run").exists()


def test_a_worker_with_another_model_is_dismissed(spread: Any, tmp_path: Path, expected: Any):
    class Mixed(Inline):
        def hello(self, number: int, hello: bytes) -> bytes:
            said = decode_hello(hello) if number == 2 else None
            if said is None:
                return hello
            other = msgspec.structs.replace(said.fingerprint, weights_sha256="other")
            return encode(msgspec.structs.replace(said, fingerprint=other))

    progress = Messages()
    # Whichever worker is ready first is the model of the run, so numbers decide here.
    inline = Mixed(3, seed=1)
    spread("toy-answers", inline=inline, progress=progress)
    manifest = read_manifest(tmp_path / "run")
    hashes = manifest.fingerprint.weights_sha256
    assert hashes in ("w0", "other")
    used = {worker for worker, _ in inline.sent}
    assert (2 in used) == (hashes == "other")
    assert of(content(tmp_path / "run"), "toy-answers") == of(expected, "toy-answers")


def test_other_software_in_a_worker_is_refused(spread: Any, monkeypatch: pytest.MonkeyPatch):
    from harness.engines import replica

    here = replica.capture()
    packages = {**here.packages, "torch": "0.1"}
    changed = msgspec.structs.replace(here, packages=packages)
    monkeypatch.setattr(replica, "capture", lambda: changed)
    with pytest.raises(RunFailedError, match="other software") as caught:
        spread("toy-answers", inline=Inline(1))
    assert "packages.torch" in str(caught.value)


class Slow(Inline):
    """Batches take minutes, so that there's time for something to happen beside them."""

    def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
        assert self.fleet is not None
        self.fleet.pass_time(60.0 if kind == "began" else 0.0)
        return ""


class BadStarts(Slow):
    """The first worker gets ready; of the others so many don't."""

    def __init__(self, workers: int, bad: int) -> None:
        super().__init__(workers)
        self.bad, self.starts, self.starts_at = bad, 0, list[float]()

    def make_replica(self, setup: bytes) -> Any:
        assert self.fleet is not None
        self.starts += 1
        self.starts_at.append(self.fleet.now())
        if 1 < self.starts <= 1 + self.bad:
            raise RuntimeError("a bad machine")
        return super().make_replica(setup)


def test_failed_starts_beside_working_ones_are_tried_again_with_growing_pauses(
    spread: Any, tmp_path: Path, expected: Any
):
    inline, progress = BadStarts(2, bad=6), Messages()
    spread("toy-answers", inline=inline, batch_size=1, progress=progress)
    pauses = [text for text in progress.texts if "the next start is tried in" in text]
    seconds = [float(text.split()[-2]) for text in pauses]
    assert seconds == [10, 20, 40, 80]
    tries = pairwise(inline.starts_at[3:])  # the first is there, then three fail in a row
    for (failed, following), pause in zip(tries, seconds, strict=True):
        assert following - failed >= pause
    assert len({worker for worker, _ in inline.sent}) == 2, "the last start helped"
    assert of(content(tmp_path / "run"), "toy-answers") == of(expected, "toy-answers")


def test_starts_that_always_fail_leave_the_work_to_the_others(
    spread: Any, tmp_path: Path, expected: Any
):
    inline = BadStarts(3, bad=10**6)
    spread("toy-answers", inline=inline, batch_size=1)
    assert {worker for worker, _ in inline.sent} == {inline.sent[0][0]}
    assert inline.starts < 20, "it isn't tried all the time"
    assert of(content(tmp_path / "run"), "toy-answers") == of(expected, "toy-answers")


def test_a_start_that_hangs_beside_working_ones_is_replaced(
    spread: Any, tmp_path: Path, expected: Any
):
    class Hanging(Slow):
        def never_ready(self, number: int) -> bool:
            return number == 2

    inline, progress = Hanging(2), Messages()
    engine = EngineSpec(start_within=90)
    spread("toy-answers", inline=inline, batch_size=1, progress=progress, engine=engine)
    reason = "it wasn't ready within 90 s of getting its place"
    assert f"worker 2 is lost: {reason}" in progress.texts
    assert {worker for worker, _ in inline.sent} == {1, 3}
    assert of(content(tmp_path / "run"), "toy-answers") == of(expected, "toy-answers")


def test_if_no_start_gets_ready_the_run_ends(spread: Any):
    class Hanging(Inline):
        def never_ready(self, number: int) -> bool:
            return True

    with pytest.raises(RunFailedError, match="no worker was ready within 90 s"):
        spread("toy-answers", inline=Hanging(2), engine=EngineSpec(start_within=90))


class OneChair(Slow):
    """A machine for one: a judge that waits takes it first, once the worker on it dies."""

    def __init__(self) -> None:
        super().__init__(1)
        self.batches = 0

    def has_place(self, role: str, number: int) -> bool:
        assert self.fleet is not None
        everyone = self.fleet.workers.values()
        judge_waits = any(w.role == "judge" and not w.placed for w in everyone)
        taken = any(worker.placed for worker in everyone)
        return not taken and (role == "judge" or not judge_waits)

    def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
        super().fault(role, kind, content, dice)
        self.batches += role == "worker" and kind == "began"
        return "die" if role == "worker" and kind == "began" and self.batches % 8 == 0 else ""


def test_judges_without_work_make_room_for_a_worker(spread: Any, tmp_path: Path, expected: Any):
    """Else both would wait for ever: the worker for the place, the judge for its responses."""
    inline, settings = OneChair(), EngineSettings(score_batch=3)
    spread("toy-judged", inline=inline, batch_size=2, settings=settings)
    assert inline.started.count("judge") > 1
    assert of(content(tmp_path / "run"), "toy-judged") == of(expected, "toy-judged")


class NoRoom(Slow):
    """Some have no place until a moment comes."""

    def __init__(self, workers: int, without: set[int], until: float = float("inf")) -> None:
        super().__init__(workers)
        self.without, self.until = without, until

    def has_place(self, role: str, number: int) -> bool:
        assert self.fleet is not None
        return number not in self.without or self.fleet.now() >= self.until


def test_waiting_for_a_first_place_is_said_and_costs_no_start(
    spread: Any, tmp_path: Path, expected: Any
):
    inline, progress = NoRoom(2, {1, 2}, until=5000.0), Messages()
    engine = EngineSpec(start_within=1.0)
    spread("toy-answers", inline=inline, batch_size=4, progress=progress, engine=engine)
    said = "2 of 2 workers have no place yet after {} s; each needs a chair for a worker"
    assert progress.texts[:3] == [said.format(seconds) for seconds in (10, 30, 70)]
    assert of(content(tmp_path / "run"), "toy-answers") == of(expected, "toy-answers")


def test_ctrl_c_ends_the_wait_for_places(spread: Any, tmp_path: Path):
    class PressedWhileWaiting(NoProgress):
        def message(self, text: str) -> None:
            assert "no place yet" in text
            signal.raise_signal(signal.SIGINT)

    inline = NoRoom(2, {2})
    with pytest.raises(RunInterruptedError):
        spread("toy-answers", inline=inline, batch_size=1, progress=PressedWhileWaiting())
    assert read_manifest(tmp_path / "run").status is RunStatus.INTERRUPTED
    assert inline.started == ["worker", "worker"]


class AllFail(toys.ToyModel):
    def answer(self, requests: Any) -> Any:
        raise ValueError("never works")


def test_a_task_whose_samples_all_fail_is_given_up_and_others_go_on(
    spread: Any, tmp_path: Path, expected: Any
):
    models().add("all-fail", AllFail)
    settings = EngineSettings(give_up_after=4)
    with pytest.raises(
        RunFailedError, match=r"(?s)attempted samples failed.*\n.*never works"
    ) as caught:
        spread(
            "toy-answers",
            "toy-pictures",
            inline=Inline(2),
            model="all-fail",
            batch_size=2,
            settings=settings,
        )
    assert "--retry-errors" in caught.value.remedy
    rows = content(tmp_path / "run")
    asked = [row for row in rows if row["verdict"] == "errored"]
    assert 4 <= len(asked) < 40
    pictures = [row for row in rows if row["task"] == "toy-pictures"]
    wanted = of(expected, "toy-pictures")
    assert [row["picture"] for row in pictures] == [row["picture"] for row in wanted]


class Pressed(NoProgress):
    """Presses Ctrl-C after a number of samples."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, count: int) -> None:
        self.left -= count
        if self.left <= 0:
            self.left = 10**9
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("after", [1, 30, 100, 250])
def test_ctrl_c_stores_the_batches_in_flight_and_resumes(
    spread: Any, run: Any, tmp_path: Path, expected: Any, after: int
):
    with pytest.raises(RunInterruptedError):
        spread(*JUDGED, inline=Inline(3), batch_size=3, progress=Pressed(after))
    assert read_manifest(tmp_path / "run").status is RunStatus.INTERRUPTED
    with Ledger.open(tmp_path / "run") as ledger:
        done = sum(max(ledger.counts(t).answered, ledger.counts(t).judged) for t in ledger.tasks())
    inline = Inline(3)
    spread(*JUDGED, inline=inline, batch_size=3)
    assert len(set(asked(inline))) == len(expected) - done
    assert content(tmp_path / "run") == expected


def test_a_local_run_is_continued_by_many_workers_and_back(
    spread: Any, run: Any, tmp_path: Path, expected: Any
):
    from tests.harness.test_run_invariance import StopAfter

    with pytest.raises(RunInterruptedError):
        run(*JUDGED, batch_size=3, progress=StopAfter(50))
    with pytest.raises(RunInterruptedError):
        spread(*JUDGED, inline=Inline(3), batch_size=3, progress=Pressed(60))
    run(*JUDGED, batch_size=3)
    assert content(tmp_path / "run") == expected


def test_a_finished_run_starts_one_worker_and_asks_nothing(spread: Any):
    spread("toy-judged", inline=Inline(3))
    again = Inline(3)
    spread("toy-judged", inline=again)
    assert (again.started, again.sent) == (["worker"], [])


def test_a_lost_picture_is_drawn_again(spread: Any, tmp_path: Path, expected: Any):
    spread("toy-judged", inline=Inline(2))
    gone = next((tmp_path / "run" / "images").rglob("*.png"))
    gone.unlink()
    again = Inline(2)
    spread("toy-judged", inline=again)
    assert [len(work[1]) for _, work in again.sent] == [1, 1], "drawn once, judged once"
    assert of(content(tmp_path / "run"), "toy-judged") == of(expected, "toy-judged")


def test_a_sample_without_a_request_is_errored(
    spread: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    request = toys.ToyTask.request

    def broken(self: Any, sample: Any, seed: int) -> Any:
        if sample.key == "s3#1":
            raise ValueError("broken data \ud800")
        return request(self, sample, seed)

    monkeypatch.setattr(toys.ToyTask, "request", broken)
    run(out="local")
    spread("toy-answers", inline=Inline(2))
    assert content(tmp_path / "run") == content(tmp_path / "local")
    (errored,) = [r for r in content(tmp_path / "run") if r["verdict"] == "errored"]
    assert "broken data" in errored["reason"]


def test_probes_limits_and_options_reach_the_workers(spread: Any, run: Any, tmp_path: Path):
    task = TaskRef(task="toy-answers", limit=7, options={"prefix": "q", "n": 30})
    run(task, out="local")
    spread(task, inline=Inline(2))
    assert content(tmp_path / "run") == content(tmp_path / "local")
    assert len(content(tmp_path / "run")) == 7
