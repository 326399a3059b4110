"""The gate on whole runs: what is planted is found, what can't be compared isn't judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.errors import LedgerError, SpecError, UnknownNameError
from harness.gate import (
    DEFAULT_POLICY,
    GateReport,
    GateVerdict,
    MetricRule,
    MetricVerdict,
    Policy,
    Seeds,
    Undecided,
    judge,
)
from harness.gate.numbers import remarks
from harness.noise import MetricNoise, NoiseReport, family, write_noise
from harness.records import Direction, RunStatus
from tests.gate.made import flipped, made, plan, rows, share

BASE = share(240, 300)


def gate(tmp_path: Path, first: Any, second: Any, policy: Policy = DEFAULT_POLICY, **more: Any):
    """Judge made runs; samples of the task `t`, or of several tasks."""
    pair = [tasks if isinstance(tasks, dict) else {"t": tasks} for tasks in (first, second)]
    paths = [made(tmp_path, name, tasks) for name, tasks in zip(("old", "new"), pair, strict=True)]
    return judge(*paths, policy, **more)


def only(report: GateReport) -> MetricVerdict:
    (found,) = report.metrics
    return found


def rule(name: str = "accuracy", **fields: Any) -> Policy:
    return Policy(tasks={"t": {name: MetricRule(**fields)}})


def test_a_run_equals_itself(tmp_path: Path):
    report = gate(tmp_path, rows(BASE), rows(BASE))
    found = only(report)
    assert (found.verdict, found.fails, report.exit_code) == (GateVerdict.EQUIVALENT, False, 0)
    assert found.reason == "no sample differs"
    # Five samples that are only lost are the fewest that McNemar's exact test calls a drop.
    assert binom.sf(4, 300, found.detectable) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("name", ["accuracy", "every", "kinds", "total", "f1", "loss"])
def test_a_planted_drop_fails_whatever_the_metric(tmp_path: Path, name: str):
    margin = {"total": 10.0}.get(name, 0.03)
    report = gate(tmp_path, rows(BASE, 2), rows(flipped(BASE, 60), 2), rule(name, margin=margin))
    found = only(report)
    assert found.verdict is GateVerdict.REGRESSED
    assert (found.fails, report.exit_code, report.outcome) == (True, 1, "failed")
    assert found.p_value < 0.001
    assert found.low < found.difference < found.high
    assert (found.high < 0) is (name != "loss")
    assert found.low <= -found.detectable or found.high >= found.detectable


@pytest.mark.parametrize("name", ["accuracy", "every", "kinds", "total", "f1", "loss"])
def test_a_rise_is_an_improvement(tmp_path: Path, name: str):
    policy = rule(name, margin="3%")
    report = gate(tmp_path, rows(flipped(BASE, 60), 2), rows(BASE, 2), policy)
    assert only(report).verdict is GateVerdict.IMPROVED
    assert report.exit_code == 0


def test_a_quantile_is_gated_by_its_bootstrap(tmp_path: Path):
    scores = [i / 300 for i in range(300)]
    shifted = [max(score - 0.2, 0.0) for score in scores]
    low = rule("middle", margin=0.1, direction=Direction.LOWER)
    found = only(gate(tmp_path, rows(scores), rows(shifted), low))
    assert found.verdict is GateVerdict.REGRESSED
    assert found.detectable > 0


def test_a_quantile_of_few_clusters_is_undecided(tmp_path: Path):
    low = rule("middle", margin=0.1, direction=Direction.LOWER)
    found = only(gate(tmp_path, rows([1.0] * 4), rows([0.0] * 4), low))
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "4 clusters are too few for a 90% interval, which takes 5"


def test_a_small_drop_of_many_samples_is_within_the_margin(tmp_path: Path):
    base = share(2400, 3000)
    found = only(gate(tmp_path, rows(base), rows(flipped(base, 30))))
    assert found.verdict is GateVerdict.EQUIVALENT
    assert found.reason == "worse, by less than the margin"


@pytest.mark.parametrize(("undecided", "code"), [(Undecided.PASS, 0), (Undecided.FAIL, 1)])
def test_few_samples_are_undecided(tmp_path: Path, undecided: Undecided, code: int):
    base = share(16, 20)
    report = gate(tmp_path, rows(base), rows(flipped(base, 1)), Policy(undecided=undecided))
    assert only(report).verdict is GateVerdict.UNDECIDED
    assert report.exit_code == code
    assert only(report).detectable > 0.1


def test_a_rule_outweighs_the_policy(tmp_path: Path):
    base = share(16, 20)
    wide = Policy(undecided=Undecided.FAIL, tasks={"t": {"accuracy": MetricRule(margin=0.5)}})
    assert gate(tmp_path, rows(base), rows(flipped(base, 1)), wide).exit_code == 0


def test_the_number_of_metrics_tempers_alarms(tmp_path: Path):
    """One borderline drop among twelve metrics is what chance brings; alone it's a regression."""
    base = share(240, 300)
    lost = [0.0] * 7 + base[7:]
    alone = gate(tmp_path, {"a": rows(base)}, {"a": rows(lost)}, Policy(margin=0.01))
    assert alone.metrics[0].verdict is GateVerdict.REGRESSED
    others = {f"t{i}": rows(base) for i in range(11)}
    among = gate(
        tmp_path / "x",
        {"a": rows(base), **others},
        {"a": rows(lost), **others},
        Policy(margin=0.01),
    )
    assert among.metrics[0].p_adjusted == pytest.approx(12 * alone.metrics[0].p_value)
    assert among.metrics[0].verdict is GateVerdict.UNDECIDED
    assert among.metrics[0].detectable > alone.metrics[0].detectable
    plain = gate(
        tmp_path / "y",
        {"a": rows(base), **others},
        {"a": rows(lost), **others},
        Policy(margin=0.01, holm=False),
    )
    assert plain.metrics[0].verdict is GateVerdict.REGRESSED


@settings(max_examples=30)
@given(st.integers(0, 40), st.integers(0, 40))
def test_verdicts_never_contradict_their_interval(tmp_path_factory: Any, lost: int, won: int):
    folder = tmp_path_factory.mktemp("gate")
    base = share(60, 120)
    second = [0.0] * lost + base[lost:60] + [1.0] * won + base[60 + won :]
    found = only(gate(folder, rows(base), rows(second), Policy(holm=False)))
    if found.verdict is GateVerdict.REGRESSED:
        assert found.difference < 0
        assert found.low <= -found.margin
    if found.verdict is GateVerdict.EQUIVALENT and found.reason != "no sample differs":
        assert found.low > -found.margin
    if found.verdict is GateVerdict.IMPROVED:
        assert found.difference > 0


def unjudged(report: GateReport) -> str:
    found = only(report)
    assert found.verdict is GateVerdict.UNJUDGED
    assert not found.fails
    assert report.exit_code == 2
    return found.reason


def test_a_task_that_the_candidate_lacks(tmp_path: Path):
    report = gate(tmp_path, {"t": rows(BASE), "u": rows(BASE)}, {"t": rows(BASE)})
    assert [found.verdict for found in report.metrics] == [
        GateVerdict.EQUIVALENT,
        GateVerdict.UNJUDGED,
    ]
    assert report.metrics[1].reason == "the candidate doesn't have the task"
    assert report.exit_code == 2


def test_a_task_of_the_candidate_alone_is_named(tmp_path: Path):
    report = gate(tmp_path, {"t": rows(BASE)}, {"t": rows(BASE), "u": rows(BASE)})
    assert [(one.task, one.reason) for one in report.ignored] == [
        ("u", "the baseline doesn't have it")
    ]
    assert report.exit_code == 0


def test_another_protocol(tmp_path: Path):
    old = made(tmp_path, "old", {"t": rows(BASE)})
    new = made(tmp_path, "new", {"t": rows(BASE)}, version="2")
    assert "other protocol: scorer.version: '1' there, '2' now" in unjudged(judge(old, new))
    assert "other protocol" in unjudged(judge(old, new, Policy(seeds=Seeds.ANY)))


def test_other_seeds_only_where_the_policy_allows(tmp_path: Path):
    old = made(tmp_path, "old", {"t": rows(BASE)})
    new = made(tmp_path, "new", {"t": rows(flipped(BASE, 90))}, seed=3)
    assert "seed: 0 there, 3 now" in unjudged(judge(old, new))
    report = judge(old, new, Policy(seeds=Seeds.ANY))
    assert only(report).verdict is GateVerdict.REGRESSED


def test_other_samples(tmp_path: Path):
    reason = unjudged(gate(tmp_path, rows(BASE), rows(BASE[:-1])))
    assert "p299#0" in reason


@pytest.mark.parametrize("status", [RunStatus.INTERRUPTED, RunStatus.RUNNING, RunStatus.FAILED])
def test_an_unfinished_run(tmp_path: Path, status: RunStatus):
    old = made(tmp_path, "old", {"t": rows(BASE)})
    new = made(tmp_path, "new", {"t": rows(BASE)}, status=status)
    assert unjudged(judge(old, new)) == f"the candidate's run is {status.value}"
    assert unjudged(judge(new, old)) == f"the baseline's run is {status.value}"


def test_samples_without_a_score(tmp_path: Path):
    holed = [None, None, *BASE[2:]]
    assert unjudged(gate(tmp_path, rows(BASE), rows(holed))) == (
        "2 of 300 have no score in one of the runs"
    )
    report = gate(tmp_path / "x", rows(BASE), rows(holed), Policy(unknown=0.01))
    assert (only(report).n, only(report).unknown, report.exit_code) == (298, 2, 0)
    assert (only(report).bound_low, only(report).bound_high) == pytest.approx((-2 / 300, 0.0))
    (note,) = [line for line in remarks(report) if "left out" in line]
    assert note.endswith("against and for the candidate, the difference is -0.7 or +0.0")


def test_too_few_samples_for_the_policy(tmp_path: Path):
    reason = unjudged(gate(tmp_path, rows(BASE), rows(BASE), Policy(minimum_n=500)))
    assert reason == "300 samples, and the policy wants 500"


def test_one_cluster(tmp_path: Path):
    reason = unjudged(gate(tmp_path, rows(share(4, 5), 5), rows(share(3, 5), 5)))
    assert reason == "one cluster tells nothing about others"


def test_failing_outweighs_not_judging(tmp_path: Path):
    report = gate(tmp_path, {"t": rows(BASE), "u": rows(BASE)}, {"t": rows(flipped(BASE, 90))})
    assert report.exit_code == 1


def test_nothing_to_judge_is_no_pass(tmp_path: Path):
    old = made(tmp_path, "old", {"t": rows(BASE)}, primary="style")
    report = judge(old, old)
    assert (report.metrics, report.exit_code) == ((), 2)
    assert report.ignored[0].reason == "its metric has no better side"


@pytest.mark.parametrize(
    ("policy", "error", "why"),
    [
        (Policy(tasks={"tt": {}}), UnknownNameError, r"gates 'tt'(.|\n)*did you mean 't'"),
        (rule("acuracy"), SpecError, r"no metric 'acuracy'(.|\n)*did you mean 'accuracy'"),
        (rule("style"), SpecError, r"no better side(.|\n)*direction"),
        (rule("p50"), SpecError, r"is a timing(.|\n)*ratio"),
        (rule("speed"), SpecError, r"is a timing"),
    ],
)
def test_policies_that_do_not_fit(tmp_path: Path, policy: Policy, error: type, why: str):
    with pytest.raises(error, match=why):
        gate(tmp_path, rows(BASE), rows(BASE), policy)


def test_a_direction_may_be_given(tmp_path: Path):
    low = rule("style", direction=Direction.LOWER)
    found = only(gate(tmp_path, rows(flipped(BASE, 60)), rows(BASE), low))
    assert found.verdict is GateVerdict.REGRESSED


def test_fingerprints_are_compared(tmp_path: Path):
    old = made(tmp_path, "old", {"t": rows(BASE)}, defaults={"cfg_scale": 2.5})
    new = made(tmp_path, "new", {"t": rows(BASE)}, defaults={"cfg_scale": 1})
    (changed,) = judge(old, new).changed
    assert changed.details == ("defaults.cfg_scale: 2.5 there, 1 now",)
    assert (changed.fails, judge(old, new).exit_code) == (False, 0)
    strict = judge(old, new, Policy(same=("defaults",)))
    assert (strict.changed[0].fails, strict.exit_code) == (True, 1)
    assert judge(old, old, Policy(same=("defaults",))).exit_code == 0


def noise(tmp_path: Path, floor: float, task: str = "t", version: str = "1") -> str:
    metric = MetricNoise(
        name="accuracy",
        values=(0.8, 0.8),
        mean=0.8,
        sd=0.01,
        sd_low=0.0,
        sd_high=0.1,
        low=0.8,
        high=0.8,
        floor=floor,
    )
    report = NoiseReport(
        task=task,
        family=family(plan("t", seed=5, version=version).protocol),
        model="made",
        weights_sha256="w0",
        seeds=(5, 6),
        runs=("a", "b"),
        clusters=300,
        metrics=(metric,),
        notes={},
    )
    write_noise(tmp_path / "noise.json", report)
    return str(tmp_path / "noise.json")


def test_a_drop_within_the_noise_is_no_regression(tmp_path: Path):
    pair = rows(BASE), rows(flipped(BASE, 15))
    assert only(gate(tmp_path, *pair)).verdict is GateVerdict.REGRESSED
    found = only(gate(tmp_path / "x", *pair, Policy(noise=noise(tmp_path, 0.06))))
    assert (found.verdict, found.margin, found.floor) == (GateVerdict.UNDECIDED, 0.06, 0.06)
    wide = only(gate(tmp_path / "y", *pair, Policy(noise=noise(tmp_path, 0.2))))
    assert wide.verdict is GateVerdict.EQUIVALENT


@pytest.mark.parametrize(("floor", "raised_from"), [(0.06, 0.03), (0.02, None)])
def test_what_the_noise_does_is_said(tmp_path: Path, floor: float, raised_from: float | None):
    report = gate(tmp_path, rows(BASE), rows(BASE), Policy(noise=noise(tmp_path, floor)))
    assert (only(report).raised_from, only(report).floor) == (raised_from, floor)
    said = f"two seeds of one model exceed a difference of {100 * floor:.1f} with a chance of 5%"
    raised = ": margin raised from 3.0 to 6.0" if raised_from else ""
    assert remarks(report) == ["t: no sample differs", f"t: {said}{raised}"]


def test_a_true_drop_below_the_floor_passes_at_any_n(tmp_path: Path):
    base = share(16000, 20000)
    policy = Policy(noise=noise(tmp_path, 0.06))
    found = only(gate(tmp_path, rows(base), rows(flipped(base, 1000)), policy))
    assert (found.verdict, found.fails) == (GateVerdict.EQUIVALENT, False)
    assert found.high < -0.04


def test_noise_of_another_protocol_is_refused(tmp_path: Path):
    policy = Policy(noise=(noise(tmp_path, 0.06, version="2"),))
    with pytest.raises(SpecError, match=r"another protocol of 't'(.|\n)*cheers-bench noise"):
        gate(tmp_path, rows(BASE), rows(BASE), policy)


def test_noise_files_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "bad.json").write_text("[]")
    for name in ("bad.json", "none.json"):
        with pytest.raises(LedgerError, match="can't be read as a noise file"):
            gate(tmp_path, rows(BASE), rows(BASE), Policy(noise=(str(tmp_path / name),)))


def test_a_sequential_gate_stops_early_where_the_case_is_clear(tmp_path: Path):
    base = share(480, 600)
    report = gate(tmp_path, rows(base, 2), rows(flipped(base, 240), 2), sequential=0)
    saving = only(report).saving
    assert saving.verdict is GateVerdict.REGRESSED
    assert (saving.clusters, saving.looked_at < 100) == (300, True)
    assert saving.saved == pytest.approx(1 - saving.looked_at / 300)
    again = gate(tmp_path, rows(base, 2), rows(flipped(base, 240), 2), sequential=0)
    assert only(again).saving == saving
    other = gate(tmp_path, rows(base, 2), rows(flipped(base, 240), 2), sequential=1)
    assert only(other).saving != saving


@pytest.mark.parametrize("name", ["every", "kinds"])
def test_other_bounded_means_are_looked_at_too(tmp_path: Path, name: str):
    base = share(480, 600)
    policy = rule(name, margin=0.1)
    saving = only(gate(tmp_path, rows(base, 2), rows(flipped(base, 240), 2), policy, sequential=0))
    assert saving.saving.verdict is GateVerdict.REGRESSED


@pytest.mark.parametrize("name", ["f1", "total", "loss"])
def test_metrics_without_a_sequential_form_say_so(tmp_path: Path, name: str):
    found = only(gate(tmp_path, rows(BASE), rows(BASE), rule(name, margin=1.0), sequential=0))
    assert found.saving is None
    assert found.saving_note.startswith("no sequential form of")


def test_a_margin_as_large_as_the_range_leaves_nothing_to_look_for(tmp_path: Path):
    found = only(gate(tmp_path, rows(BASE), rows(BASE), rule(margin=1.0), sequential=0))
    assert (found.saving, found.saving_note) == (None, "the margin is as large as the range")


def test_undecided_looking_saves_nothing(tmp_path: Path):
    found = only(gate(tmp_path, rows(share(16, 20)), rows(share(15, 20)), sequential=0))
    assert (found.saving.verdict, found.saving.saved) == (GateVerdict.UNDECIDED, 0)
