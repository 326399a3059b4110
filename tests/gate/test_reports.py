"""Reports: everything is in them, in forms that CI services read, and hostile names stay text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from harness.cli.main import main
from harness.gate import GateReport, MetricRule, Policy, Undecided, judge
from harness.gate.annotations import to_annotations
from harness.gate.junit import to_junit
from harness.gate.text import render
from tests.gate.made import flipped, made, rows, share

BASE = share(240, 300)
SMALL = share(16, 20)
HOSTILE = "a|<script>\x1b[31m\n::error::100%,:"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A regressed, an improved, an equal, an undecided and a missing task, a changed default."""
    old = {
        "down": rows(BASE),
        "up": rows(flipped(BASE, 60)),
        "same": rows(BASE),
        "few": rows(SMALL),
        "gone": rows(SMALL),
    }
    new = {
        "down": rows(flipped(BASE, 60)),
        "up": rows(BASE),
        "same": rows(BASE),
        "few": rows(flipped(SMALL, 1)),
        "more": rows(SMALL),
    }
    return (
        made(tmp_path, "old", old, defaults={"steps": 20}, label=HOSTILE),
        made(tmp_path, "new", new, defaults={"steps": 10}, label=HOSTILE),
    )


@pytest.fixture
def report(pair: tuple[Path, Path]) -> GateReport:
    return judge(*pair, Policy(same=("defaults",)), sequential=0)


def test_text_says_everything(report: GateReport):
    text = render(report, "text")
    assert text.startswith(
        "gate failed: 1 regressed, 1 improved, 1 equivalent within margin, 1 undecided, "
        "1 could not judge, defaults differs"
    )
    lines = text.splitlines()
    assert lines[2].split() == [
        *("task", "verdict", "baseline", "candidate", "change", "margin", "sees", "n")
    ]
    (down,) = [line for line in lines if line.startswith("down")]
    assert "-20.0 [" in down
    assert "regressed" in down
    for remark in (
        "- same: no sample differs",
        "- gone: the candidate doesn't have the task",
        "- defaults differs, which the policy wants the same: defaults.steps: 20 there, 10 now",
        "- more isn't gated: the baseline doesn't have it",
    ):
        assert remark in lines
    assert any("one at a time, regressed after" in line for line in lines)
    assert "90% interval" in lines[-1]
    assert "\x1b" not in text


@pytest.mark.parametrize(("alpha", "level"), [(0.05, "90%"), (0.001, "99.8%"), (0.0005, "99.9%")])
def test_the_legend_names_the_level(pair: tuple[Path, Path], alpha: float, level: str):
    for format_ in ("text", "md"):
        text = render(judge(*pair, Policy(alpha=alpha)), format_)  # type: ignore[arg-type]
        assert f"with its {level} interval; " in text.splitlines()[-1]


def test_the_legend_names_levels_of_rules(pair: tuple[Path, Path]):
    rules = {"down": {"accuracy": MetricRule(alpha=0.001)}, "same": {"f1": MetricRule(alpha=0.01)}}
    policy = Policy(tasks={**rules, "up": None})
    report = judge(*pair, policy)
    assert [one.level for one in report.metrics] == pytest.approx([0.998, 0.98, 0.9])
    legend = render(report, "text").splitlines()[-1]
    assert "with its 90% interval (99.8% of down, 98% of same f1); " in legend


def test_undecided_that_fails_is_marked(pair: tuple[Path, Path]):
    text = render(judge(*pair, Policy(undecided=Undecided.FAIL)), "text")
    assert "undecided (fails)" in text


def test_markdown_is_a_table_and_escapes(report: GateReport):
    text = render(report, "md")
    assert text.startswith("### gate failed: 1 regressed")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 5
    assert {line.replace("\\|", "").count("|") for line in table} == {9}
    assert "<script>" not in text
    assert r"\<script\>" in text


def test_json_has_everything(report: GateReport):
    found = json.loads(render(report, "json"))
    assert (found["outcome"], found["exit_code"]) == ("failed", 1)
    assert [one["verdict"] for one in found["metrics"]] == [
        *("regressed", "improved", "equivalent within margin", "undecided", "could not judge")
    ]
    rest = {key: value for key, value in found.items() if key not in ("outcome", "exit_code")}
    assert msgspec.convert(rest, GateReport) == report


COUNTS = ("tests", "failures", "errors", "skipped")
SHAPE: Mapping[str, tuple[set[str], tuple[str, ...]]] = {
    "testsuites": ({"name", "time", *COUNTS}, ("testsuite",)),
    "testsuite": ({"name", "time", *COUNTS}, ("testcase", "system-out")),
    "testcase": ({"classname", "name", "time"}, ("failure", "error", "skipped", "system-out")),
    "failure": ({"message", "type"}, ()),
    "error": ({"message", "type"}, ()),
    "skipped": ({"message"}, ()),
    "system-out": (set(), ()),
}
"""Attributes and children that the schema of Jenkins' xUnit plug-in (junit-10.xsd) allows."""


def _check_shape(element: ET.Element) -> None:
    attributes, children = SHAPE[element.tag]
    assert set(element.attrib) == attributes
    for name in attributes & set(COUNTS):
        assert element.attrib[name].isdecimal()
    tags = [child.tag for child in element]
    assert set(tags) <= set(children)
    assert tags == sorted(tags, key=children.index)
    for child in element:
        _check_shape(child)


def test_junit_has_the_known_shape(report: GateReport):
    root = ET.fromstring(to_junit(report))
    assert root.tag == "testsuites"
    _check_shape(root)
    (suite,) = root
    assert {name: int(suite.attrib[name]) for name in COUNTS} == {
        "tests": 6,
        "failures": 2,
        "errors": 1,
        "skipped": 1,
    }
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert len(suite.findall(f"testcase/{kind}")) == int(suite.attrib[name])
    failures = [failure.attrib for failure in suite.iter("failure")]
    assert failures[0]["message"].startswith("down: regressed, 80.0 to 60.0, -20.0 [")
    assert failures[1] == {"message": "defaults.steps: 20 there, 10 now", "type": "changed"}
    assert "this gate sees a drop of" in failures[0]["message"]


def test_junit_of_nothing_is_valid(tmp_path: Path):
    old = made(tmp_path, "old", {"t": rows(SMALL)}, primary="style")
    root = ET.fromstring(to_junit(judge(old, old)))
    _check_shape(root)
    assert root.attrib["tests"] == "0"


def test_annotations_are_one_line_each_and_escaped(tmp_path: Path):
    task = "t,100%:\nx"
    old = made(tmp_path, "old", {task: rows(BASE)}, label=HOSTILE)
    new = made(tmp_path, "new", {task: rows(flipped(BASE, 60))}, label=HOSTILE)
    (line,) = to_annotations(judge(old, new)).splitlines()
    assert line.startswith("::error title=t%2C100%25%3A x accuracy::t,100%25: x: regressed")
    assert line.count("::") == 2


def test_annotations_by_severity(report: GateReport):
    levels = [line.split(" ")[0] for line in to_annotations(report).splitlines()]
    assert levels == ["::error", "::warning", "::error", "::error"]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as done:
        main(["gate", *map(str, arguments)])
    return int(done.value.code or 0)


def test_the_command_writes_all_it_is_asked_for(
    pair: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    (tmp_path / "gate.yaml").write_text("tasks: {down: {accuracy: {margin: 5%}}}\n")
    step = tmp_path / "step.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    code = run(
        *("--baseline", pair[0], "--candidate", pair[1], "--policy", tmp_path / "gate.yaml"),
        *("--format", "json", "--output", tmp_path / "gate.json", "--junit", tmp_path / "j.xml"),
        *("--summary", tmp_path / "s.md", "--job-summary", "--annotations"),
    )
    assert code == 1
    out, err = capsys.readouterr()
    assert out.startswith("::error title=down accuracy::")
    assert err == "gate failed: 1 regressed\n"
    assert json.loads((tmp_path / "gate.json").read_text())["exit_code"] == 1
    assert ET.parse(tmp_path / "j.xml").getroot().tag == "testsuites"
    assert step.read_text() == "before\n" + (tmp_path / "s.md").read_text()


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    old = made(tmp_path, "old", {"t": rows(BASE)})
    down = made(tmp_path, "down", {"t": rows(flipped(BASE, 60))})
    seed = made(tmp_path, "seed", {"t": rows(BASE)}, seed=1)
    sides = "--baseline", old, "--candidate"
    assert run(*sides, old) == 0
    assert run(*sides, down) == 1
    assert run(*sides, seed) == 2
    capsys.readouterr()
    assert run(*sides, tmp_path / "nothing") == 2
    assert "neither a run folder nor a baseline" in capsys.readouterr().err
    (tmp_path / "bad.yaml").write_text("margni: 1")
    assert run(*sides, old, "--policy", tmp_path / "bad.yaml") == 2
    assert "did you mean 'margin'" in capsys.readouterr().err
    assert run(*sides, old, "--junit", tmp_path / "no" / "j.xml") == 2
    assert "can't be written" in capsys.readouterr().err


def test_a_job_summary_without_a_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    old = made(tmp_path, "old", {"t": rows(BASE)})
    assert run("--baseline", old, "--candidate", old, "--job-summary") == 0
    assert "GITHUB_STEP_SUMMARY isn't set" in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "step.md"))
    assert run("--baseline", old, "--candidate", old, "--job-summary") == 2


def test_the_sequential_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    old = made(tmp_path, "old", {"t": rows(BASE)})
    down = made(tmp_path, "down", {"t": rows(flipped(BASE, 120))})
    sides = "--baseline", old, "--candidate", down
    assert run(*sides, "--sequential") == 1
    assert "one at a time, regressed after" in capsys.readouterr().out
    assert run(*sides) == 1
    assert "one at a time" not in capsys.readouterr().out


def test_ratios_are_written_as_ratios(tmp_path: Path):
    data = [rows([1.0] * 20, seconds=[factor] * 20) for factor in (0.5, 1.0)]
    old, new = (
        made(tmp_path, name, {"t": one}) for name, one in zip(("old", "new"), data, strict=True)
    )
    policy = Policy(tasks={"t": {"p50": MetricRule(ratio=1.1)}})
    (line,) = [x for x in render(judge(old, new, policy), "text").splitlines() if x[:4] == "t p5"]
    assert "2.00 x [2.00 x, 2.00 x]" in line
    assert "1.10 x" in line
    assert "0.5 s" in line
