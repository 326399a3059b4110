"""Resuming: nothing finished is redone, kills change nothing, other runs' folders are refused."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import LedgerError, ProtocolMismatchError
from harness.ledger import Ledger, read_manifest
from harness.records import RunStatus
from harness.registry import models
from harness.run import rescore
from harness.runspec import TaskRef
from tests.harness import toys
from tests.harness.conftest import Run
from tests.harness.test_run_invariance import ALL, content


def start(out: Path, log: Path, sleep: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.harness.killed_run", str(out), str(log), str(sleep)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def committed(out: Path) -> int:
    """Samples that are finished in a folder that may be in any state."""
    try:
        with Ledger.open(out) as ledger:
            return sum(
                counts.answered or counts.judged for counts in map(ledger.counts, ledger.tasks())
            )
    except LedgerError:
        return 0


def replace_toy() -> toys.ToyModel:
    """Let the name `toy` build this instance, so that its calls can be seen."""
    adapter = toys.ToyModel()
    models()._added["toy"] = lambda: adapter  # type: ignore[assignment]
    return adapter


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_any_point_changes_nothing(run: Run, tmp_path: Path, seed: int):
    """The process is killed at random moments until it finishes by itself."""
    run(*ALL, out="whole")
    out, log, dice = tmp_path / "killed", tmp_path / "log", random.Random(seed)
    kills, finished = 0, []
    for _ in range(30):
        finished.append(committed(out))
        process = start(out, log, 0.02)
        deadline = time.monotonic() + 60
        if kills < 6:
            # From its first sign of life on: some kills hit planning, most hit batches.
            goal = finished[-1] + dice.choice([0, 1, 10, 30, 60])
            while committed(out) < goal and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(dice.random() * (0.3 if goal > finished[-1] else 1.0))
            process.kill()
        _, stderr = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, stderr.decode()
        kills += 1
    assert kills >= 3
    assert finished == sorted(finished)  # nothing that was finished got lost
    # The toy's arguments (its log and its sleep) are part of the run's id, and of nothing else.
    killed_rows, whole_rows = content(out), content(tmp_path / "whole")
    assert {row.pop("run") for row in killed_rows} != {row.pop("run") for row in whole_rows}
    assert killed_rows == whole_rows
    with Ledger.open(out) as killed, Ledger.open(tmp_path / "whole") as whole:
        assert killed.results() == whole.results()
    asked = Counter(log.read_text().split())
    # A kill loses the batch in flight and what waited for a commit or an encoder: with three
    # requests of at least 20 ms per batch, that's a few batches, never the work before them.
    again = sum(count - 1 for count in asked.values())
    assert again <= kills * 4 * 3
    assert not list(out.glob("images/*/.*.tmp"))


def test_a_complete_run_asks_nothing_again(run: Run, tmp_path: Path):
    run(*ALL)
    before, probed = content(tmp_path / "run"), len(toys.ToyProbe.measured)
    adapter = replace_toy()
    manifest = run(*ALL)
    assert adapter.batches == []
    assert adapter.closed
    assert manifest.status is RunStatus.COMPLETE
    assert content(tmp_path / "run") == before
    assert len(toys.ToyProbe.measured) == probed


def test_a_resumed_run_keeps_its_manifest_but_takes_a_new_label(run: Run, tmp_path: Path):
    first = run(label="old")
    again = run(label="new")
    assert again == msgspec.structs.replace(first, label="new")
    assert run() == again
    assert read_manifest(tmp_path / "run") == again


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, r"seed: 0 there, 1 now"),
        ({"limit": 5}, r"protocol.toy-answers.limit: None there, 5 now"),
        ({"tasks": ["toy-pictures"]}, r"tasks: 'toy-answers' there, 'toy-pictures' now"),
        ({"tasks": ["toy-answers", "toy-probe"]}, r"'toy-answers, toy-probe' now"),
        (
            {"tasks": [TaskRef(task="toy-answers", options={"n": 7})]},
            r"protocol.toy-answers.options.n: nothing there, 7 now",
        ),
        ({"args": {"weights": "w1"}}, r"weights_sha256: 'w0' there, 'w1' now"),
        ({"args": {"size": 8}}, r"model.arguments.size: nothing there, 8 now"),
    ],
)
def test_the_folder_of_another_run_is_refused(
    run: Run, tmp_path: Path, change: dict[str, Any], named: str
):
    run()
    before = sorted((p, p.read_bytes()) for p in (tmp_path / "run").rglob("*") if p.is_file())
    tasks = change.pop("tasks", ["toy-answers"])
    with pytest.raises(ProtocolMismatchError, match=rf"{named}(.|\n)*--out"):
        run(*tasks, **change)
    after = sorted((p, p.read_bytes()) for p in (tmp_path / "run").rglob("*") if p.is_file())
    assert after == before


def test_a_wrong_seed_is_refused_before_the_model_is_built(run: Run):
    run()
    built: list[int] = []
    models()._added["toy"] = lambda: built.append(1)  # type: ignore[assignment, return-value]
    with pytest.raises(ProtocolMismatchError):
        run(seed=3)
    assert not built


@pytest.mark.parametrize("damage", ["truncate", "delete", "empty"])
def test_a_damaged_picture_is_drawn_again(run: Run, tmp_path: Path, damage: str):
    run("toy-pictures")
    before = content(tmp_path / "run")
    pictures = sorted((tmp_path / "run" / "images").rglob("*.png"))[3:6]
    for path in pictures:
        if damage == "delete":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-20] if damage == "truncate" else b"")
    adapter = replace_toy()
    run("toy-pictures")
    assert sum(map(len, adapter.batches)) == 3
    assert content(tmp_path / "run") == before


def test_a_picture_with_other_pixels_is_missing_until_it_is_drawn_again(run: Run, tmp_path: Path):
    run("toy-pictures")
    before = content(tmp_path / "run")
    path = min((tmp_path / "run" / "images").rglob("*.png"))
    toys.noise(999, 8, 8).save(path)
    result = rescore(tmp_path / "run")[0]
    assert result.verdicts["missing"] == 1
    run("toy-pictures")
    assert content(tmp_path / "run") == before


def test_leftovers_of_a_killed_encoder_are_removed(run: Run, tmp_path: Path):
    run("toy-pictures")
    leftover = tmp_path / "run" / "images" / "toy-pictures" / ".s0_0.png.123.tmp"
    leftover.write_bytes(b"half")
    run("toy-pictures")
    assert not leftover.exists()


class WithTuples(toys.ToyModel):
    """Its configuration holds what JSON knows no type for."""

    def fingerprint(self) -> Any:
        return msgspec.structs.replace(super().fingerprint(), config={"widths": (1, 2), "eps": 1})


def test_a_configuration_with_tuples_is_the_same_after_json(run: Run):
    run(adapter=WithTuples())
    assert run(adapter=WithTuples()).status is RunStatus.COMPLETE
