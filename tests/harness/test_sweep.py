"""Sweeps over toy models whose scores and costs are functions of their arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from harness.cli import main
from harness.cli.sweep_table import sweep_table
from harness.errors import SpecError, UnknownNameError
from harness.records import (
    AnswerRequest,
    Capability,
    Direction,
    Fingerprint,
    First,
    MetricSpec,
    Response,
    RunStatus,
    Timing,
    Usage,
)
from harness.registry import models, tasks
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.sources import open_source
from harness.sweep import Sweep, points, read_vary, sweep
from harness.sweep.points import folder_name
from tests.harness import toys


class Dial(toys.ToyModel):
    """Right in `right` of ten answers; each costs `steps` evaluations and a tenth of a second."""

    def __init__(
        self,
        *,
        right: int = 5,
        steps: int = 1,
        flag: bool = False,
        log: str = "",
        cold: float = 0.0,
    ) -> None:
        super().__init__(log=log)
        self.right, self.steps, self.flag, self.cold = right, steps, flag, cold

    def fingerprint(self) -> Fingerprint:
        given = {"right": self.right, "steps": self.steps, "flag": self.flag}
        return structs.replace(super().fingerprint(), defaults=given)

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        self.serve(requests)
        seconds, self.cold = self.cold + 0.1 * self.steps * len(requests), 0.0
        took = Timing(total_s=seconds, batch_size=len(requests))
        return [
            Response(text=str(self._number(r)), usage=Usage(nfe=self.steps), timing=took)
            for r in requests
        ]

    def _number(self, request: AnswerRequest) -> int:
        """What the toy task takes for right unless it is divisible by five."""
        place = int(request.prompt.split("s")[-1].split()[0])
        return 1 if place % 10 < self.right else 5


class Demanding(toys.ToyTask):
    """A task that fixes the steps itself."""

    metadata = toys.metadata("toy-demanding", Capability.ANSWER)

    def decoding(self) -> dict[str, Any]:
        return {"steps": 7, "cfg_scale": None}


class Errors(toys.ToyTask):
    """A score of which less is better."""

    metadata = structs.replace(
        toys.metadata("toy-errors", Capability.ANSWER),
        metrics=(MetricSpec(name="accuracy", score="accuracy", direction=Direction.LOWER),),
    )


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[RunSpec]:
    before = dict(tasks()._added), dict(models()._added)
    for task in (Demanding, Errors):
        tasks().add(task.metadata.name, task)
    models().add("dial", Dial)
    yield RunSpec(
        tasks=(TaskRef(task="toy-answers"),),
        model=ModelRef(name="dial", args={"log": str(tmp_path / "served")}),
        out=str(tmp_path / "sweep"),
    )
    tasks()._added, models()._added = before


def with_task(spec: RunSpec, name: str) -> RunSpec:
    return RunSpec(tasks=(TaskRef(task=name),), model=spec.model, out=spec.out)


def test_every_combination_is_run_and_read(spec: RunSpec, tmp_path: Path) -> None:
    found = sweep(spec, {"right": [2, 8], "steps": [1, 4]}, cost="nfe")
    assert [dict(point.args) for point in found.points] == [
        {"right": 2, "steps": 1},
        {"right": 2, "steps": 4},
        {"right": 8, "steps": 1},
        {"right": 8, "steps": 4},
    ]
    assert [point.value.value for point in found.points] == [0.2, 0.2, 0.8, 0.8]
    assert [point.costs["nfe"] for point in found.points] == [1, 4, 1, 4]
    assert [point.costs["seconds"] for point in found.points] == pytest.approx([0.1, 0.4, 0.1, 0.4])
    for point in found.points:
        with open_source(tmp_path / "sweep" / point.folder) as source:
            assert source.manifest.status is RunStatus.COMPLETE
            (result,) = source.results()
            assert result.protocol_hash == found.protocol_hash
            assert source.label == "dial " + point.folder.replace(",", " ")
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text())["metric"] == "accuracy"


def test_the_same_call_resumes_and_more_points_cost_only_themselves(
    spec: RunSpec, tmp_path: Path
) -> None:
    first = sweep(spec, {"right": [2, 8]})
    served = tmp_path / "served"
    assert len(served.read_text().splitlines()) == 2 * 40
    assert sweep(spec, {"right": [2, 8]}) == first
    assert len(served.read_text().splitlines()) == 2 * 40
    assert sweep(spec, {"right": [2, 8, 1]}).points[:2] == first.points
    assert len(served.read_text().splitlines()) == 3 * 40


def cold_sweep(spec: RunSpec, samples: int, batch: int, right: list[int]) -> Sweep:
    """A model that takes 3 s before its first batch, at several settings."""
    cold = structs.replace(
        spec,
        tasks=(TaskRef(task="toy-answers", options={"n": samples}),),
        model=ModelRef(name="dial", args={**spec.model.args, "cold": 3.0}),
        batch_size=batch,
    )
    return sweep(cold, {"right": right})


def test_a_cold_start_is_no_cost_of_a_response(spec: RunSpec) -> None:
    for point in cold_sweep(spec, 12, 4, [2, 8]).points:
        assert point.costs["seconds"] == pytest.approx(0.1)
        assert (point.batch_size, point.first) == (4, None)


def test_a_second_batch_of_another_size_is_preferred_to_a_cold_one(spec: RunSpec) -> None:
    found = cold_sweep(spec, 12, 8, [2])
    assert found.points[0].costs["seconds"] == pytest.approx(0.1)
    assert (found.points[0].batch_size, found.points[0].first) == (4, First.SIZE)
    assert [note.partition(":")[0] for note in found.notes] == ["perhaps cold"]


def test_a_single_cold_batch_is_called_cold(spec: RunSpec) -> None:
    found = cold_sweep(spec, 1, 8, [2, 8])
    assert [point.first for point in found.points] == [First.KIND] * 2
    assert found.notes == (
        "cold: times of first batches alone, with loading and compiling in them: right=2, right=8",
    )
    assert sweep_table(found).endswith(found.notes[0])


def test_batch_sizes_that_differ_after_a_resume_are_kept_and_noted(spec: RunSpec) -> None:
    cold_sweep(spec, 40, 8, [2])
    found = cold_sweep(spec, 40, 4, [2, 8])
    assert [point.batch_size for point in found.points] == [8, 4]
    assert found.notes == (
        "times are of batches of different sizes and do not compare: 4 (right=8), 8 (right=2)",
    )


def test_all_points_see_the_same_samples(spec: RunSpec, tmp_path: Path) -> None:
    sweep(spec, {"right": [2, 8]})
    seeds = (tmp_path / "served").read_text().splitlines()
    assert sorted(seeds[:40]) == sorted(seeds[40:])


@pytest.mark.parametrize(
    ("task", "right", "expected"),
    [
        ("toy-answers", [2, 5, 5, 8], [1, 2, 8]),
        ("toy-errors", [8, 5, 5, 9], [1, 2]),
    ],
)
def test_the_front_knows_which_way_is_better(
    spec: RunSpec, task: str, right: list[int], expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`steps` is the cost; scores per cost are given, the third is as good as a cheaper one."""
    by_steps = dict(zip([1, 2, 4, 8], right, strict=True))
    monkeypatch.setattr(
        Dial, "__init__", lambda self, steps: _init(self, by_steps[steps], steps), raising=True
    )
    plain = RunSpec(tasks=(TaskRef(task=task),), model=ModelRef(name="dial"), out=spec.out)
    found = sweep(plain, {"steps": [8, 4, 2, 1]}, cost="nfe")
    assert sorted(p.args["steps"] for p in found.points if p.best) == expected


def _init(self: Dial, right: int, steps: int) -> None:
    toys.ToyModel.__init__(self)
    self.right, self.steps, self.flag, self.cold = right, steps, False, 0.0


def test_what_cannot_be_swept_is_said_before_anything_runs(spec: RunSpec, tmp_path: Path) -> None:
    two = RunSpec(
        tasks=(TaskRef(task="toy-answers"), TaskRef(task="toy-errors")),
        model=spec.model,
        out=spec.out,
    )
    with pytest.raises(SpecError, match="one task, not 2"):
        sweep(two, {"right": [1]})
    with pytest.raises(SpecError, match="log is both fixed and varied"):
        sweep(spec, {"log": ["a"]})
    with pytest.raises(SpecError, match="itself demands steps"):
        sweep(with_task(spec, "toy-demanding"), {"steps": [1, 2]})
    with pytest.raises(UnknownNameError, match="unknown cost 'sconds'"):
        sweep(spec, {"right": [1]}, cost="sconds")
    with pytest.raises(UnknownNameError, match="no metric 'acuracy'"):
        sweep(spec, {"right": [1]}, metric="acuracy")
    with pytest.raises(SpecError, match="riight"):
        sweep(spec, {"riight": [1]})
    assert not (tmp_path / "served").exists()
    assert not (tmp_path / "sweep").exists()


def test_what_a_task_leaves_open_can_be_varied(spec: RunSpec) -> None:
    found = sweep(with_task(spec, "toy-demanding"), {"right": [2]})
    assert found.points[0].value.value == 0.2


def test_the_table_lists_by_cost(spec: RunSpec) -> None:
    lines = sweep_table(sweep(spec, {"steps": [4, 1], "flag": [True]}, cost="nfe")).splitlines()
    assert lines[0].endswith(", dial: 2 settings")
    assert lines[2].split() == [
        *("steps", "flag", "accuracy", "95%", "interval", "n", "time", "function", "evaluations")
    ]
    assert [line.split()[:3] for line in lines[3:5]] == [["*", "1", "True"], ["4", "True", "0.5"]]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([], "varies nothing"),
        (["steps"], "isn't KEY=VALUE"),
        (["=5"], "isn't KEY=VALUE"),
        (["steps=5,"], "missing"),
        (["steps=[1"], "while parsing"),
        (["steps=5,5"], "comes twice"),
        (["steps=5", "steps=6"], "is varied twice"),
    ],
)
def test_malformed_variations(texts: list[str], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        read_vary(texts)


def test_folders_are_distinct_and_stay_inside() -> None:
    vary = read_vary(["path=a/b,..,a%2Fb,a b", "hfi=on,off", "x=1,1.5"])
    names = [folder_name(point) for point in points(vary)]
    assert len(set(names)) == len(names) == 16
    assert not any("/" in name or name.startswith(".") for name in names)


def test_the_command(spec: RunSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as done:
        main(
            [
                *("sweep", "--task", "toy-answers", "--model", "dial", "--vary", "right=3,6"),
                *("--model-arg", "steps=2", "--task-option", "n=20", "--cost", "nfe"),
                *("--plot", str(out / "front.svg"), "--out", str(out)),
            ]
        )
    assert not done.value.code
    captured = capsys.readouterr()
    assert "0.6" in captured.out
    assert "wrote" in captured.err
    assert "<svg" in (out / "front.svg").read_text()
