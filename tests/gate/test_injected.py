"""Injected regressions: the committed baseline and policy catch each; other seeds stay green.

Prints the tables of docs/gate.md: `pytest -m slow -s tests/gate/test_injected.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.baselines import read_baseline
from harness.gate import GateReport, GateVerdict, MetricRule, Policy, Seeds, judge, read_policy
from harness.registry import models, suites
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.gate.damaged import NoisyVAE, ShiftedTokens, SwappedChannels, Unguided

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "results" / "baselines" / "cheers-nano-smoke"
POLICY = read_policy(ROOT / "docs" / "gate.yaml")
SCORES_ALONE = msgspec.structs.replace(POLICY, same=())
BUGS = {
    "noisy-vae": NoisyVAE,
    "swapped-channels": SwappedChannels,
    "shifted": ShiftedTokens,
    "unguided": Unguided,
}
WHOLE = "shapes-geneval"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    before = dict(models()._added)
    for name, bug in BUGS.items():
        models().add(name, bug)
    yield
    models()._added = before


def run(out: Path, model: str, seed: int = 0, **args: Any) -> Path:
    """The smoke suite without its timings."""
    refs = tuple(
        TaskRef(task=entry.task, limit=entry.limit, options=entry.options)
        for entry in suites().get("smoke").entries
        if entry.task in POLICY.tasks
    )
    execute(RunSpec(tasks=refs, model=ModelRef(name=model, args=args), seed=seed, out=str(out)))
    return out


def _show(name: str, report: GateReport) -> None:
    for found in report.metrics:
        if found.verdict is not GateVerdict.EQUIVALENT:
            print(f"{name}: {found.task} {found.verdict.value}", end=", ")  # noqa: T201
            print(f"{found.baseline:.3f} to {found.candidate:.3f}", end=", ")  # noqa: T201
            print(f"p {found.p_adjusted:.2g}, sees {found.detectable or 0:.3f}")  # noqa: T201
    changed = ", ".join(one.field for one in report.changed if one.fails)
    print(f"{name}: {report.outcome} (differs: {changed or 'nothing'})")  # noqa: T201


def _regressed(report: GateReport) -> set[str]:
    return {one.task for one in report.metrics if one.verdict is GateVerdict.REGRESSED}


def test_the_baseline_is_a_whole_run_of_the_suite():
    baseline = read_baseline(BASELINE)
    assert [plan.task for plan in baseline.manifest.tasks] == [
        entry.task for entry in suites().get("smoke").entries
    ]
    assert not set("jem") & set("".join(task.verdicts for task in baseline.tasks))


def test_the_same_code_passes(tmp_path: Path):
    report = judge(BASELINE, run(tmp_path / "run", "cheers-nano"), POLICY)
    _show("same code", report)
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("model", "caught"),
    [
        ("cheers-nano-no-hfi", {"shapes-geneval", "shapes-edit"}),
        ("noisy-vae", {"reconstruction"}),
        ("swapped-channels", {"shapes-geneval", "reconstruction"}),
        ("shifted", {"shapes-mmbench", "easy-vqa"}),
    ],
)
def test_a_bug_shows_in_the_scores(tmp_path: Path, model: str, caught: set[str]):
    report = judge(BASELINE, run(tmp_path / "run", model), SCORES_ALONE)
    _show(model, report)
    assert caught <= _regressed(report)
    assert report.exit_code == 1


def test_guidance_switched_off_shows_in_the_fingerprint(tmp_path: Path):
    """Its scores hardly move on so few images; that the setting moved is certain."""
    candidate = run(tmp_path / "run", "cheers-nano", cfg_scale=1)
    _show("cfg off, scores alone", judge(BASELINE, candidate, SCORES_ALONE))
    report = judge(BASELINE, candidate, POLICY)
    _show("cfg off", report)
    assert [one.field for one in report.changed if one.fails] == ["defaults"]
    assert report.exit_code == 1


def _whole(out: Path, model: str) -> Path:
    """All 960 images of the embedded GenEval."""
    spec = RunSpec(tasks=(TaskRef(task=WHOLE),), model=ModelRef(name=model), out=str(out))
    execute(spec)
    return out


@pytest.mark.timeout(7200)
def test_guidance_ignored_in_silence_shows_in_all_images(tmp_path: Path):
    """No field of the fingerprint tells; 120 images don't either, 960 do."""
    before, after = (_whole(tmp_path / model, model) for model in ("cheers-nano", "unguided"))
    policy = Policy(tasks={WHOLE: {"overall": MetricRule(margin=0.03)}})
    report = judge(before, after, policy, sequential=0)
    _show("guidance ignored, 960 images", report)
    assert not [one for one in report.changed if one.fails]
    assert _regressed(report) == {WHOLE}


@pytest.mark.parametrize("seed", range(1, 6))
def test_other_seeds_stay_green(tmp_path: Path, seed: int):
    policy: Policy = msgspec.structs.replace(POLICY, seeds=Seeds.ANY)
    report = judge(BASELINE, run(tmp_path / "run", "cheers-nano", seed), policy)
    _show(f"seed {seed}", report)
    assert report.exit_code == 0
