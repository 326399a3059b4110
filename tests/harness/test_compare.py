"""Comparisons: what is planted is found, what isn't there isn't, and nothing is mixed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import msgspec
import numpy as np
import pytest

from harness.cli.main import main
from harness.compare import Change, Comparison, Difference, compare_runs, render
from harness.compare.numbers import change_text, readable
from harness.errors import LedgerError, UnknownNameError
from harness.ledger import Ledger
from harness.records import (
    Aggregation,
    AnswerRequest,
    DatasetInfo,
    Direction,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
)
from harness.records.capability import Capability
from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.task import Task
from model_adapters.null import NullModel
from tests.gate.made import ENVIRONMENT, made, rows

MakeRun: TypeAlias = Callable[..., Path]

HOSTILE = "<script>alert(1)</script>|`x`"


class Graded(Task):
    """Prompts of three images each; the model's answer is its score."""

    metadata = TaskMetadata(
        name="graded",
        summary="Scores as the model says.",
        version=1,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(name="toy", revision="1", split="test", licence="CC0-1.0"),
        metrics=(
            MetricSpec(name="overall", score="s", aggregation=Aggregation.MEAN_OF_CATEGORIES),
            MetricSpec(name="mean", score="s"),
            MetricSpec(name="any", score="s", aggregation=Aggregation.ANY_IN_CLUSTER),
            MetricSpec(name="all", score="s", aggregation=Aggregation.ALL_IN_CLUSTER),
            MetricSpec(name="total", score="s", aggregation=Aggregation.SUM, high=None),
            MetricSpec(name="rare", score="s", category="rare"),
            MetricSpec(
                name="p50",
                score="seconds",
                aggregation=Aggregation.MEDIAN,
                direction=Direction.LOWER,
                high=None,
                unit="s",
            ),
        ),
        protocol_id="graded/v1",
        citation="none",
    )
    defaults: ClassVar[Mapping[str, JsonValue]] = {"prompts": 40}

    def samples(self) -> Iterator[Sample]:
        for n in range(self.whole("prompts")):
            for k in range(3):
                yield Sample(id=f"p{n:03d}", k=k, category="rare" if n % 8 == 0 else "common")

    def request(self, sample: Sample, seed: int) -> AnswerRequest:
        return AnswerRequest(prompt=sample.key, seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        score, seconds = (float(word) for word in (response.text or "").split())
        verdict = Verdict.OK if score else Verdict.WRONG
        reason = "" if score else f"{HOSTILE} of {sample.id}"
        return Outcome(verdict=verdict, reason=reason, scores={"s": score, "seconds": seconds})

    def scorer(self) -> Identity:
        return Identity(id="graded", version="1")

    def prompt_template(self) -> str:
        return "{key}"


class GradedAgain(Graded):
    """A second task."""

    metadata = msgspec.structs.replace(Graded.metadata, name="graded-again")


class Leveled(NullModel):
    """Right on samples whose difficulty is below its level, and as slow as it's told.

    Args:
        level: Share of samples that it gets right.
        seconds: How long it says that it takes.
        fails: A sample on which it breaks.
    """

    def __init__(self, *, level: float = 0.5, seconds: float = 1.0, fails: str = "") -> None:
        super().__init__()
        self._level, self._seconds, self._fails = level, seconds, fails

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        if self._fails in [request.prompt for request in requests]:
            raise RuntimeError("no idea")
        return [self._say(request.prompt) for request in requests]

    def _say(self, key: str) -> Response:
        digits = [int(part) for part in key[1:].split("#")]
        hard, jitter = np.random.default_rng(digits).random(2)
        return Response(text=f"{int(hard < self._level)} {self._seconds * (1 + jitter / 10)}")


@pytest.fixture(autouse=True)
def _toys() -> None:
    tasks().add("graded", Graded)
    tasks().add("graded-again", GradedAgain)
    models().add("leveled", Leveled)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    count = 0

    def make(*names: str, label: str | None = None, seed: int = 0, prompts: int = 40, **args: Any):
        nonlocal count
        count += 1
        spec = RunSpec(
            tasks=tuple(
                TaskRef(task=name, options={"prompts": prompts}) for name in names or ("graded",)
            ),
            model=ModelRef(name="leveled", args=args, label=label),
            limit=None,
            seed=seed,
            out=str(tmp_path / f"run{count}"),
        )
        execute(spec)
        return Path(spec.out)

    return make


def _of(comparison: Comparison, metric: str = "overall") -> Difference:
    (found,) = [d for d in comparison.differences if d.metric.name == metric]
    return found


def test_a_run_does_not_differ_from_itself(make_run: MakeRun):
    run = make_run()
    comparison = compare_runs(run, run)
    assert not comparison.flips
    for difference in comparison.differences:
        assert difference.difference == 0
        assert difference.change is Change.UNCLEAR
        assert difference.p_value in (None, 1.0)


@pytest.mark.parametrize("metric", ["overall", "mean", "any", "all", "total"])
def test_a_planted_drop_is_found(make_run: MakeRun, metric: str):
    found = _of(compare_runs(make_run(level=0.7), make_run(level=0.35)), metric)
    assert found.change is Change.WORSE
    assert found.difference == pytest.approx(found.second - found.first)
    assert found.low < found.difference < found.high < 0
    assert found.p_value < 0.05


def test_swapping_the_runs_mirrors_everything(make_run: MakeRun):
    a, b = make_run(level=0.7, seconds=1.0), make_run(level=0.5, seconds=2.0)
    there, back = compare_runs(a, b), compare_runs(b, a)
    for one, other in zip(there.differences, back.differences, strict=True):
        assert one.difference == pytest.approx(-other.difference)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
        assert (one.only_first, one.only_second) == (other.only_second, other.only_first)
    assert [(f.id, f.k, f.first) for f in there.flips] == [
        (f.id, f.k, f.second) for f in back.flips
    ]


def test_a_slower_model_is_worse_in_seconds(make_run: MakeRun):
    found = _of(compare_runs(make_run(seconds=1.0), make_run(seconds=1.5)), "p50")
    assert found.change is Change.WORSE
    assert 0.4 < found.low < found.difference < found.high < 0.7
    assert found.p_value is None


def test_values_are_those_of_the_leaderboard(make_run: MakeRun):
    a, b = make_run(level=0.6), make_run(level=0.5)
    comparison = compare_runs(a, b)
    for folder, side in ((a, "first"), (b, "second")):
        with Ledger.open(folder) as ledger:
            values = {m.name: m.value for r in ledger.results() for m in r.metrics}
        for difference in comparison.differences:
            assert getattr(difference, side) == pytest.approx(values[difference.metric.name])


def test_categories_have_rows_of_their_own(make_run: MakeRun):
    comparison = compare_runs(make_run(level=0.7), make_run(level=0.35))
    common, rare = comparison.categories
    assert [(d.task, d.category) for d in (common, rare)] == [
        ("graded", "common"),
        ("graded", "rare"),
    ]
    whole = _of(comparison, "rare")
    assert (rare.difference, rare.low, rare.high, rare.n) == pytest.approx(
        (whole.difference, whole.low, whole.high, whole.n)
    )
    overall = _of(comparison, "overall")
    assert overall.difference == pytest.approx((common.difference + rare.difference) / 2)
    assert common.n + rare.n == overall.n
    assert common.change is Change.WORSE
    assert common.p_adjusted == pytest.approx(min(1, 2 * common.p_value))


def test_unknown_samples_of_a_category_are_counted(make_run: MakeRun):
    comparison = compare_runs(make_run(), make_run(fails="p008#1"))
    assert [(d.category, d.n, d.unknown) for d in comparison.categories] == [
        ("common", 105, 0),
        ("rare", 14, 1),
    ]


@pytest.mark.parametrize("format_", ["md", "html"])
def test_categories_are_shown(make_run: MakeRun, format_: str):
    text = render(compare_runs(make_run(), make_run(level=0.3)), format_)  # type: ignore[arg-type]
    assert "By category" in text
    assert "graded: common" in text


def test_no_flip_is_not_certainty(make_run: MakeRun):
    """Runs that agree on 120 images of 40 prompts may differ on others."""
    run = make_run()
    found = _of(compare_runs(run, run), "mean")
    assert found.low < -0.05
    assert found.high > 0.05


def test_flips_are_the_samples_between_the_levels(make_run: MakeRun):
    comparison = compare_runs(make_run(level=0.6), make_run(level=0.5))
    assert comparison.flips
    assert {(flip.first, flip.second) for flip in comparison.flips} == {(Verdict.OK, Verdict.WRONG)}
    assert _of(comparison, "mean").only_first == len(comparison.flips)
    assert all(HOSTILE in flip.second_reason for flip in comparison.flips)


def test_flips_are_grouped_by_direction(tmp_path: Path):
    """Far more losses than are shown hide no gain."""
    first = [1.0] * 250 + [0.0] * 3 + [None, 1.0]
    second = [0.0] * 250 + [1.0] * 3 + [0.0, 1.0]
    paths = (
        made(tmp_path, name, {"t": rows(scores)})
        for name, scores in (("one", first), ("two", second))
    )
    comparison = compare_runs(*paths)
    titles = (
        "250 ok in the first run alone",
        "3 ok in the second run alone",
        "1 ok in neither, for other reasons",
    )
    text = render(comparison, "md")
    assert f"Samples of t that ended differently: {'; '.join(titles)}." in text
    assert [text.count(way) for way in ("ok → wrong", "wrong → ok", "errored → wrong")] == [
        10,
        3,
        1,
    ]
    assert "- and 240 more" in text
    page = render(comparison, "html")
    assert all(f"<summary>{title}</summary>" in page for title in titles)
    assert "The first 200 of 250" in page
    assert len(re.findall(r'<th scope="row">p\d+#0</th>', page)) == 204


def test_a_direction_without_samples_is_said(make_run: MakeRun):
    comparison = compare_runs(make_run(level=0.6), make_run(level=0.5))
    count = len(comparison.flips)
    for format_ in ("md", "html"):
        text = render(comparison, format_)  # type: ignore[arg-type]
        assert f"{count} ok in the first run alone" in text
        assert "0 ok in the second run alone" in text
        assert "neither" not in text


def test_only_bounded_scores_count_flips(make_run: MakeRun):
    comparison = compare_runs(make_run(level=0.6), make_run(level=0.5, seconds=2.0))
    shown = {found.metric.name: readable(found).flips for found in comparison.differences}
    assert shown["mean"] == f"+0 -{len(comparison.flips)}"
    assert (shown["p50"], shown["total"]) == ("", "")


def timed(
    tmp_path: Path, name: str, factor: float, primary: str = "accuracy", **facts: Any
) -> Path:
    seconds = [factor * (1 + i / 1000) for i in range(80)]
    environment = msgspec.structs.replace(ENVIRONMENT, **facts)
    data = {"t": rows([1.0] * 80, seconds=seconds)}
    return made(tmp_path, name, data, environment=environment, primary=primary)


@pytest.mark.parametrize("primary", ["accuracy", "p50", "speed"])
def test_timings_of_two_machines_are_not_judged(tmp_path: Path, primary: str):
    old, new = timed(tmp_path, "old", 1.0, primary), timed(tmp_path, "new", 2.0, primary, cpu="B|")
    comparison = compare_runs(old, new)
    assert comparison.timings == "timed on another machine or software: cpu A and B|"
    shown = [*comparison.differences, *comparison.categories]
    timings = [found for found in shown if found.metric.is_timing]
    assert {found.metric.name for found in timings} == {"p50", "p90", "p99", "speed"}
    for found in timings:
        assert found.change is Change.UNJUDGED
        assert (found.p_value, found.p_adjusted, found.detectable) == (None, None, None)
        assert found.difference == pytest.approx(found.second - found.first)
    assert _of(comparison, "accuracy").change is not Change.UNJUDGED
    for format_, reason in (("md", "cpu A and B\\|"), ("html", "cpu A and B|")):
        text = render(comparison, format_)  # type: ignore[arg-type]
        assert reason in text
        assert "not judged" in text
        assert "worse" not in text


def test_timings_of_one_machine_are_judged(tmp_path: Path):
    old, new = timed(tmp_path, "old", 1.0), timed(tmp_path, "new", 2.0, commit="def")
    comparison = compare_runs(old, new)
    assert comparison.timings == ""
    assert {_of(comparison, name).change for name in ("p50", "speed")} == {Change.WORSE}


def test_unknown_samples_are_left_out_of_both_sides(make_run: MakeRun):
    whole, holed = make_run(level=0.6), make_run(level=0.6, fails="p003#1")
    mean = _of(compare_runs(whole, holed), "mean")
    assert (mean.n, mean.unknown, mean.difference) == (119, 1, 0)
    every = _of(compare_runs(whole, holed), "all")
    assert (every.n, every.unknown) == (39, 1)


def test_unknown_samples_are_counted_both_ways(make_run: MakeRun):
    """One of 120 images, and one of 40 prompts, may still be right or wrong."""
    whole, holed = make_run(level=0.6), make_run(level=0.6, fails="p003#1")
    comparison = compare_runs(whole, holed)
    mean, every = _of(comparison, "mean"), _of(comparison, "all")
    assert mean.bound_high - mean.bound_low == pytest.approx(1 / 120)
    assert every.bound_high - every.bound_low in (pytest.approx(1 / 40), pytest.approx(0.0))
    assert mean.bound_low <= 0 <= mean.bound_high
    again = _of(compare_runs(holed, whole), "mean")
    assert (again.bound_low, again.bound_high) == (-mean.bound_high, -mean.bound_low)


def test_samples_unknown_in_both_runs_may_differ_either_way(make_run: MakeRun):
    holed = make_run(fails="p003#1")
    mean = _of(compare_runs(holed, holed), "mean")
    assert (mean.bound_low, mean.bound_high) == pytest.approx((-1 / 120, 1 / 120))


def test_without_unknown_samples_there_are_no_bounds(make_run: MakeRun):
    mean = _of(compare_runs(make_run(), make_run(level=0.3)), "mean")
    assert (mean.bound_low, mean.bound_high) == (None, None)


@pytest.mark.parametrize(
    ("change", "direction", "bounds", "doubted"),
    [
        (Change.BETTER, Direction.HIGHER, (-0.01, 0.1), True),
        (Change.BETTER, Direction.HIGHER, (0.01, 0.1), False),
        (Change.WORSE, Direction.HIGHER, (-0.1, 0.01), True),
        (Change.WORSE, Direction.HIGHER, (-0.1, -0.01), False),
        (Change.BETTER, Direction.LOWER, (-0.1, 0.01), True),
        (Change.WORSE, Direction.LOWER, (0.01, 0.1), False),
        (Change.UNCLEAR, Direction.HIGHER, (-0.1, 0.1), False),
    ],
)
def test_a_verdict_that_unknown_samples_could_turn_says_so(
    change: Change, direction: Direction, bounds: tuple[float, float], *, doubted: bool
):
    low, high = bounds
    text = change_text(
        Difference(
            task="t",
            metric=MetricSpec(name="m", score="s", direction=direction),
            primary=True,
            protocol_hash="",
            change=change,
            bound_low=low,
            bound_high=high,
        )
    )
    assert ("unless unknown samples turn it" in text) is doubted


def test_bounds_stand_beside_the_difference(make_run: MakeRun):
    text = render(compare_runs(make_run(), make_run(fails="p003#1")), "md")
    assert re.search(r"\+0\.0, bounds -0\.\d to \+0\.\d", text)


def test_another_protocol_is_not_compared(make_run: MakeRun):
    comparison = compare_runs(make_run(), make_run(seed=1))
    assert not comparison.differences
    (skipped,) = comparison.skipped
    assert "other protocol" in skipped.reason
    assert "seed" in skipped.reason


def test_a_task_of_one_run_is_named(make_run: MakeRun):
    comparison = compare_runs(make_run("graded", "graded-again"), make_run("graded"))
    assert [(s.task, s.reason) for s in comparison.skipped] == [
        ("graded-again", "only the first run has it")
    ]
    assert comparison.differences


def test_tasks_can_be_chosen(make_run: MakeRun):
    a, b = make_run("graded", "graded-again"), make_run("graded", "graded-again")
    chosen = compare_runs(a, b, tasks=("graded",))
    assert {difference.task for difference in chosen.differences} == {"graded"}
    with pytest.raises(UnknownNameError, match="graded"):
        compare_runs(a, b, tasks=("grated",))


def test_primary_metrics_are_adjusted_for_one_another(make_run: MakeRun):
    names = ("graded", "graded-again")
    a = make_run(*names, level=0.6)
    comparison = compare_runs(a, make_run(*names, level=0.5))
    tested = [d for d in comparison.differences if d.p_adjusted is not None]
    assert [d.task for d in tested] == list(names)
    assert all(d.primary and d.p_adjusted >= d.p_value for d in tested)
    assert all(d.p_adjusted is None for d in comparison.differences if not d.primary)


def test_a_detectable_difference_shrinks_with_more_samples(make_run: MakeRun):
    few = _of(compare_runs(make_run(prompts=20), make_run(prompts=20, level=0.4)))
    many = _of(compare_runs(make_run(prompts=200), make_run(prompts=200, level=0.4)))
    assert many.detectable < few.detectable / 2


def test_ledgers_that_hold_other_samples_are_refused(make_run: MakeRun):
    import sqlite3

    a, b = make_run(), make_run()
    (database,) = b.glob("*.sqlite*")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE samples SET id = 'other' WHERE id = 'p005' AND k = 0")
    connection.close()
    with pytest.raises(LedgerError, match=r"p005#0 where .* has other#0"):
        compare_runs(a, b)


def test_markdown_says_what_is_different(make_run: MakeRun):
    text = render(compare_runs(make_run(label="old"), make_run(level=0.3, label="new")), "md")
    assert text.startswith("new (second) compared with old (first)")
    rows = [line for line in text.splitlines() if line.startswith("| graded")]
    assert len(rows) == len(Graded.metadata.metrics) + 2  # categories
    assert rows[0].count("|") == 11
    assert " worse " in rows[0]
    assert "graded rare" in rows[5]
    assert "ended differently" in text


@pytest.mark.parametrize("format_", ["md", "html"])
def test_names_and_reasons_are_hostile(make_run: MakeRun, format_: str):
    text = render(compare_runs(make_run(label=HOSTILE), make_run(level=0.3)), format_)  # type: ignore[arg-type]
    assert "alert(1)" in text
    assert "<script>alert" not in text


def test_the_page_allows_its_own_style_alone(make_run: MakeRun):
    from harness.pages import csp_hash

    page = render(compare_runs(make_run(), make_run(level=0.4)), "html")
    style = page.split("<style>")[1].split("</style>")[0]
    assert f"style-src '{csp_hash(style)}'" in page
    assert "script-src" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_json_comes_back(make_run: MakeRun):
    comparison = compare_runs(make_run(), make_run(level=0.4))
    text = render(comparison, "json")
    assert msgspec.json.decode(text, type=Comparison) == comparison


def test_the_command_writes_and_prints(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    a, b = make_run(), make_run(level=0.4)
    with pytest.raises(SystemExit) as done:
        main(["compare", str(a), str(b), "--format", "json", "--output", str(tmp_path / "c.json")])
    assert done.value.code == 0
    assert json.loads((tmp_path / "c.json").read_text())["differences"]
    with pytest.raises(SystemExit):
        main(["compare", str(a), str(b), "--task", "graded"])
    assert "graded overall" not in capsys.readouterr().out
