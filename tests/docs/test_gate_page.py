"""docs/gate.md: its policy works on the committed baseline, its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from harness.baselines import read_baseline
from harness.cli.main import main
from harness.gate import GateVerdict, MetricRule, Policy, judge, read_policy
from harness.registry import suites, tasks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gate.md").read_text()
BASELINE = ROOT / "results" / "baselines" / "cheers-nano-smoke"


def test_the_example_policy_passes_the_baseline_itself(capsys: pytest.CaptureFixture[str]):
    sides = ["--baseline", str(BASELINE), "--candidate", str(BASELINE)]
    with pytest.raises(SystemExit) as done:
        main(["gate", *sides, "--policy", str(ROOT / "docs" / "gate.yaml")])
    assert not done.value.code
    assert "gate passed: 7 equivalent within margin" in capsys.readouterr().out


def test_the_example_policy_gates_whole_tasks_of_the_baseline():
    policy = read_policy(ROOT / "docs" / "gate.yaml")
    report = judge(BASELINE, BASELINE, policy)
    assert {found.task for found in report.metrics} == set(policy.tasks)
    assert [one.task for one in report.ignored] == ["probe-latency"]


def test_the_committed_baseline_is_of_committed_code():
    commit = read_baseline(BASELINE).manifest.environment.commit
    assert commit is not None
    assert not commit.endswith("+dirty")


def test_the_committed_baseline_has_the_protocols_of_today():
    """If a task's version was raised, save the baseline anew: docs/gate.md says how."""
    plans = {plan.task: plan.protocol.hash for plan in read_baseline(BASELINE).manifest.tasks}
    today = {
        entry.task: tasks().get(entry.task)(entry.options).protocol(0, entry.limit).hash
        for entry in suites().get("smoke").entries
    }
    assert plans == today


def test_every_verdict_is_explained():
    rows = re.findall(r"^\| ([a-z ]+) \|", PAGE, re.MULTILINE)
    assert {verdict.value for verdict in GateVerdict} <= set(rows)


def test_every_key_of_a_policy_is_explained():
    keys = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(Policy.__struct_fields__) | set(MetricRule.__struct_fields__) <= keys


def test_the_snippet_on_timings_is_a_policy():
    (text,) = re.findall(r"with `(tasks: .*?)`", PAGE)
    policy = msgspec.convert(yaml.safe_load(text), type=Policy)
    assert policy.tasks["probe-latency"]["answer_seconds_p50"].ratio == 1.1
