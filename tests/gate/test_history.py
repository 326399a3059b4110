"""History: runs in order, changes where they're planted, nothing mixed, pictures that repeat."""

from __future__ import annotations

import builtins
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.aggregate import value_of
from harness.cli.main import main
from harness.columns import ColumnBuilder
from harness.errors import BenchError, LedgerError, SpecError, UnknownNameError
from harness.history import History, Series, measure_history, render
from harness.history.measuring import standard_error
from harness.history.plot import plot_history
from harness.records import MetricValue, RunStatus
from harness.stats import estimate_mean
from tests.gate.made import ENVIRONMENT, METRICS, flipped, made, rows, share

BASE = share(240, 300)
DOWN = flipped(BASE, 45)


def day(number: int) -> str:
    return f"2026-01-{number:02d}T00:00:00+00:00"


def runs(
    tmp_path: Path, scores: Sequence[Sequence[float | None]], size: int = 1, **more: Any
) -> list[Path]:
    """A run a day."""
    return [
        made(
            tmp_path,
            f"run{i}",
            {"t": rows(list(one), size)},
            created=day(i + 1),
            environment=msgspec.structs.replace(ENVIRONMENT, commit=f"{i}" * 40),
            **more,
        )
        for i, one in enumerate(scores)
    ]


def only(history: History) -> Series:
    (found,) = history.series
    return found


def test_a_drop_is_found_where_it_happened(tmp_path: Path):
    found = only(measure_history(runs(tmp_path, [BASE, BASE, DOWN, DOWN, DOWN])))
    assert [point.value.value for point in found.points] == pytest.approx([0.8, 0.8] + [0.65] * 3)
    assert found.change.place == 2
    assert found.change.worse
    assert (found.change.before, found.change.after) == (pytest.approx(0.8), pytest.approx(0.65))
    assert found.p_adjusted < 0.001
    assert found.method == "largest paired CUSUM, clusters swapped"


def test_the_first_of_two_changes_is_reported(tmp_path: Path):
    lower = flipped(DOWN, 120, seed=1)
    found = only(measure_history(runs(tmp_path, [BASE, BASE, DOWN, DOWN, lower, lower])))
    assert found.change.place == 2


def test_a_rise_is_for_the_better(tmp_path: Path):
    assert only(measure_history(runs(tmp_path, [DOWN, BASE, BASE]))).change.worse is False


def test_equal_runs_have_no_change(tmp_path: Path):
    found = only(measure_history(runs(tmp_path, [BASE] * 4)))
    assert (found.change, found.p_value) == (None, 1.0)


def test_runs_are_ordered_by_time_or_as_given(tmp_path: Path):
    paths = runs(tmp_path, [BASE, DOWN, DOWN])[::-1]
    timed, given = (only(measure_history(paths, order=order)) for order in ("time", "given"))
    assert [point.label for point in timed.points] == ["run0", "run1", "run2"]
    assert [point.label for point in given.points] == ["run2", "run1", "run0"]
    assert given.change.place == 2
    assert given.change.worse is False


@pytest.mark.parametrize("name", ["every", "kinds", "total", "loss"])
def test_shares_of_clusters_add_up_to_the_metric(tmp_path: Path, name: str):
    history = measure_history(runs(tmp_path, [BASE, DOWN, DOWN], 3), all_metrics=True)
    (found,) = [series for series in history.series if series.metric.name == name]
    assert found.method.startswith("largest paired")
    assert found.change.place == 1
    assert found.change.before == pytest.approx(found.points[0].value.value)
    assert found.change.after == pytest.approx(found.points[1].value.value)
    assert found.change.worse


def test_ratios_and_quantiles_are_taken_as_independent(tmp_path: Path):
    history = measure_history(runs(tmp_path, [BASE, BASE, DOWN, DOWN]), all_metrics=True)
    by_name = {series.metric.name: series for series in history.series}
    assert by_name["f1"].method.startswith("largest likelihood ratio")
    assert by_name["f1"].change.place == 2
    assert by_name["p50"].note == "a run has no standard error"  # every round took a second
    assert by_name["style"].change.worse is None


def test_other_protocols_are_other_series(tmp_path: Path):
    paths = [*runs(tmp_path, [BASE, BASE]), *runs(tmp_path / "x", [DOWN], version="2")]
    history = measure_history(paths)
    assert [len(series.points) for series in history.series] == [2, 1]
    assert history.series[1].note == "one run"


def test_timings_of_other_machines_are_other_series(tmp_path: Path):
    fast = [1.0 + i / 1000 for i in range(300)]
    paths = [
        made(
            tmp_path,
            f"{cpu}{n}",
            {"t": rows(BASE, seconds=[second * slow for second in fast])},
            environment=msgspec.structs.replace(ENVIRONMENT, cpu=cpu),
            created=day(n),
            primary="p50",
        )
        for cpu, n, slow in (("A", 1, 1.0), ("B", 2, 3.0), ("A", 3, 1.0), ("A", 4, 2.0))
    ]
    one, other = measure_history(paths).series
    assert ([p.label for p in one.points], [p.label for p in other.points]) == (
        ["A1", "A3", "A4"],
        ["B2"],
    )
    assert one.change.place == 2
    accuracy = [s for s in measure_history(paths, all_metrics=True).series if s.task == "t"]
    assert [len(s.points) for s in accuracy if s.metric.name == "accuracy"] == [4]


def test_samples_unknown_in_one_run_are_left_out_of_the_comparison(tmp_path: Path):
    holed = [None, None, *DOWN[2:]]
    found = only(measure_history(runs(tmp_path, [BASE, holed, DOWN])))
    assert found.change.place == 1
    assert found.points[1].value.n == 298

    text = render(measure_history(runs(tmp_path / "again", [BASE, holed, DOWN])), "md")
    assert "; searched over 298 of 300 samples" in text
    assert "incomplete" not in text


def few(known: int) -> list[float | None]:
    return [score if i < known else None for i, score in enumerate(BASE)]


@pytest.mark.parametrize("place", [0, 1, 2, 4])
@pytest.mark.parametrize("size", [1, 3])
def test_an_incomplete_run_blinds_no_others(tmp_path: Path, place: int, size: int):
    complete = [BASE, BASE, DOWN, DOWN]
    alone = only(measure_history(runs(tmp_path / "alone", complete, size)))
    scores = [*complete[:place], few(10), *complete[place:]]
    found = only(measure_history(runs(tmp_path, scores, size)))
    assert found.p_adjusted == alone.p_adjusted < 0.001
    assert (found.known, found.samples) == (300, 300)
    assert found.change.place == alone.change.place + (place <= 2)
    assert (found.change.before, found.change.after) == (alone.change.before, alone.change.after)
    assert found.points[place].incomplete == "290 of 300 have no score"
    assert sum(bool(point.incomplete) for point in found.points) == 1
    text = render(measure_history(runs(tmp_path / "text", scores, size)), "md")
    assert f"left out of the search: run{place} (290 of 300 have no score)" in text
    (row,) = [line for line in text.splitlines() if line.startswith(f"| run{place} ")]
    assert row.endswith("| 10 | incomplete: 290 of 300 have no score |")


def test_how_many_may_be_unknown_can_be_said(tmp_path: Path):
    paths = runs(tmp_path, [BASE, few(200), DOWN])
    for unknown, point in ((0.05, "100 of 300 have no score"), (0.4, "")):
        found = only(measure_history(paths, unknown=unknown))
        assert found.points[1].incomplete == point
        assert found.known == (200 if unknown == 0.4 else 300)


def test_interrupted_runs_are_shown_but_not_searched(tmp_path: Path):
    paths = runs(tmp_path, [BASE, DOWN])
    later = made(tmp_path, "later", {"t": rows(DOWN)}, created=day(9), status=RunStatus.INTERRUPTED)
    found = only(measure_history([*paths, later]))
    assert found.points[2].incomplete == "the run is interrupted"
    assert found.change.place == 1
    lone = only(measure_history([paths[0], later]))
    assert (lone.p_value, lone.note) == (None, "one run is complete")
    assert only(measure_history([later])).note == "no run is complete"


def test_runs_without_a_sample_in_common_are_not_searched(tmp_path: Path):
    halves = [[s if i % 2 == odd else None for i, s in enumerate(BASE)] for odd in (0, 1)]
    found = only(measure_history(runs(tmp_path, halves), unknown=0.6))
    assert (found.p_value, found.note) == (None, "no sample has a score in all runs")


def test_errors_of_few_clusters_are_those_behind_the_interval(tmp_path: Path):
    spec = next(spec for spec in METRICS if spec.name == "loss")
    builder = ColumnBuilder(spec)
    for row in rows([1.0, 0.5, 0.0, 1.0, 0.25]):
        builder.add(row)
    column = builder.column()
    error = estimate_mean(column.values, column.clusters).standard_error
    assert standard_error(spec, value_of(spec, column)) == pytest.approx(error)
    assert np.isnan(standard_error(spec, MetricValue(name="loss", value=1.0)))


def test_more_series_need_clearer_changes(tmp_path: Path):
    slight = flipped(BASE, 7)
    alone = only(measure_history(runs(tmp_path, [BASE, slight])))
    assert alone.change is not None
    many = {f"t{i}": rows(BASE) for i in range(12)}
    paths = [
        made(tmp_path / "many", f"m{i}", {"t": rows(one), **many}, created=day(i + 1))
        for i, one in enumerate([BASE, slight])
    ]
    assert measure_history(paths).series[0].change is None


def test_tasks_can_be_chosen_and_misspelt(tmp_path: Path):
    path = made(tmp_path, "both", {"one": rows(BASE), "two": rows(BASE)})
    assert [s.task for s in measure_history([path], tasks=("two",)).series] == ["two"]
    with pytest.raises(UnknownNameError, match="did you mean 'two'"):
        measure_history([path], tasks=("twoo",))


def test_markdown(tmp_path: Path):
    text = render(measure_history(runs(tmp_path, [BASE, DOWN], label="a|<b>")), "md")
    assert "first change for the worse at a\\|\\<b\\> (111111111111): 80.0 before, 65.0" in text
    (row,) = [line for line in text.splitlines() if line.endswith("| first change |")]
    assert "| 65.0 | [59.4, 70.2] | 300 |" in row
    assert "<b>" not in text


def test_json_comes_back(tmp_path: Path):
    history = measure_history(runs(tmp_path, [BASE, DOWN]))
    assert msgspec.json.decode(render(history, "json"), type=History) == history


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_plots_repeat(tmp_path: Path, kind: str):
    history = measure_history(runs(tmp_path, [BASE, DOWN], label="$x_1$ <&>"))
    files = [tmp_path / f"{name}.{kind}" for name in ("one", "two")]
    for file in files:
        plot_history(history, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    holed = measure_history(runs(tmp_path / "holed", [BASE, few(10), DOWN]))
    plot_history(holed, tmp_path / f"holed.{kind}")
    assert (tmp_path / f"holed.{kind}").stat().st_size > 1000
    if kind == "svg":
        assert ET.parse(files[0]).getroot().tag.endswith("svg")
    else:
        assert files[0].read_bytes()[:4] in (b"\x89PNG", b"%PDF")


def test_plots_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    history = measure_history(runs(tmp_path, [BASE, DOWN]))
    with pytest.raises(SpecError, match=r"no format of plots(.|\n)*\.svg"):
        plot_history(history, tmp_path / "h.gif")
    with pytest.raises(SpecError, match="nothing to draw"):
        plot_history(History(series=()), tmp_path / "h.svg")
    with pytest.raises(LedgerError, match="can't be written"):
        plot_history(history, tmp_path / "no" / "h.svg")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BenchError, match=r"isn't installed(.|\n)*cheers-bench\[plots\]"):
        plot_history(history, tmp_path / "h.svg")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = [str(path) for path in runs(tmp_path, [BASE, DOWN])]
    out, plot = tmp_path / "h.json", tmp_path / "h.svg"
    with pytest.raises(SystemExit) as done:
        main(["history", *paths, "--format", "json", "--output", str(out), "--plot", str(plot)])
    assert not done.value.code
    assert json.loads(out.read_text())["series"][0]["change"]["place"] == 1
    assert plot.stat().st_size > 1000
    with pytest.raises(SystemExit):
        main(["history", *paths])
    assert "first change for the worse" in capsys.readouterr().out
