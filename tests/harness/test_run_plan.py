"""The dry run: counts what would be asked, loads no weights, writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import DataError, ProtocolMismatchError
from harness.records import Capability
from harness.registry import models, tasks
from harness.run import plan
from harness.runspec import RunSpec, TaskRef
from tests.harness import toys
from tests.harness.conftest import Run
from tests.harness.test_run_invariance import ALL


class Heavy(toys.ToyModel):
    """Can't be built, but has a card."""

    card = toys.ModelCard(
        name="heavy",
        summary="Too heavy to load.",
        capabilities=frozenset({Capability.ANSWER, Capability.LOGLIKELIHOOD}),
        licence="CC0-1.0",
        source="tests",
    )

    def __init__(self) -> None:
        raise AssertionError("weights were loaded")


def test_a_plan_counts_everything_and_loads_nothing(spec: Callable[..., RunSpec], tmp_path: Path):
    models().add("heavy", Heavy)
    found = plan(spec(*ALL, model="heavy"))
    works = {work.task: work for work in found.tasks}
    answers = works["toy-answers"]
    assert answers.samples == answers.requests == 40
    prompts = sum(len(f"Question s{i // 2} #{i % 2}? ü".encode()) for i in range(40))
    assert answers.prompt_tokens_at_most == prompts
    assert answers.completion_tokens_at_most == sum(8 if i % 3 else 16 for i in range(40))
    assert works["toy-likelihoods"].prompt_tokens_at_most == sum(
        3 * len(f"s{i // 2}") + 3 for i in range(40)
    )
    assert works["toy-probe"].samples == 5
    assert not works["toy-pictures"].applicable
    assert works["toy-pictures"].missing == (Capability.GENERATE_IMAGE,)
    assert works["toy-pictures"].samples == 0
    assert found.seconds is None
    assert not found.resumes
    assert not (tmp_path / "run").exists()


def test_pictures_are_counted_both_ways(spec: Callable[..., RunSpec]):
    found = plan(spec("toy-pictures", "toy-edits", "toy-reconstruction", limit=7))
    assert [(work.images_in, work.images_out) for work in found.tasks] == [(0, 7), (7, 7), (7, 7)]


def test_a_begun_run_is_estimated_from_its_own_timings(
    run: Run, spec: Callable[..., RunSpec], tmp_path: Path
):
    from harness.errors import RunInterruptedError
    from tests.harness.test_run_interrupt import Interrupted

    models().add("interrupted", Interrupted)
    wanted = spec("toy-answers", model="interrupted", args={"sleep": 0.02}, batch_size=4)
    with pytest.raises(RunInterruptedError):
        run("toy-answers", model="interrupted", args={"sleep": 0.02}, batch_size=4)
    found = plan(wanted)
    work = found.tasks[0]
    assert (work.samples, work.done, work.requests, found.resumes) == (40, 8, 32, True)
    assert found.seconds == work.seconds
    assert work.seconds is not None
    assert work.seconds >= 32 / 4 * 0.02


def test_nothing_left_takes_no_time(run: Run, spec: Callable[..., RunSpec]):
    run(*ALL)
    assert plan(spec(*ALL)).seconds == 0.0


def test_a_plan_refuses_what_the_run_would_refuse(run: Run, spec: Callable[..., RunSpec]):
    run()
    with pytest.raises(ProtocolMismatchError):
        plan(spec(seed=5))
    with pytest.raises(DataError, match="no samples"):
        plan(spec(TaskRef(task="toy-answers", options={"n": 0}), out="other"))


def test_a_factory_without_a_card_excludes_nothing(spec: Callable[..., RunSpec]):
    models().add("factory", lambda sleep=0.0: toys.ToyModel(sleep=sleep))  # type: ignore[arg-type]
    assert all(work.applicable for work in plan(spec(*ALL, model="factory")).tasks)


def test_the_plan_and_the_run_agree_on_the_protocol(run: Run, spec: Callable[..., RunSpec]):
    planned = plan(spec(*ALL))
    manifest = run(*ALL)
    assert [work.protocol_hash for work in planned.tasks] == [
        task.protocol.hash for task in manifest.tasks
    ]
    assert list(tasks()) != []
