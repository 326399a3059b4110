"""Published numbers in a leaderboard: below, apart, with their sources; chosen metrics beside."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.errors import SpecError, UnknownNameError
from harness.leaderboard import build_table, render
from harness.published import PublishedNumber, published_table
from tests.harness.conftest import Run

HOSTILE = "A|<script>x</script>_&"


def number(model: str, task: str, value: float, **fields: str) -> PublishedNumber:
    decimals = len(f"{value:g}".partition(".")[2]) if value < 1e6 else 0
    given = {
        "decimals": decimals,
        "unit": "percent",
        "kind": "paper",
        "source": "a | paper",
        **fields,
    }
    return PublishedNumber(
        model=model, task=task, metric="accuracy", value=value, factor=0.01, **given
    )


NUMBERS = (
    number("Ours", "toy-answers", 71.5),
    number("Ours", "toy-pictures", 0.25, unit="fraction", kind="second-hand", note="one | draw"),
    number(HOSTILE, "toy-answers", 99.25, kind="third-party"),
    number("Ours", "training", 83_000_000, unit="count"),
)


def test_models_are_rows_and_metrics_in_a_unit_columns():
    table = published_table(["ours", HOSTILE.lower()], NUMBERS)
    assert [(c.task, c.unit) for c in table.columns] == [
        ("toy-answers", "percent"),
        ("toy-pictures", "fraction"),
        ("training", "count"),
    ]
    assert [row.model for row in table.rows] == ["Ours", HOSTILE]
    values = [[None if n is None else n.value for n in row.cells] for row in table.rows]
    assert values == [[71.5, 0.25, 83_000_000], [99.25, None, None]]


def test_no_model_is_no_table_and_an_unknown_one_is_refused():
    assert published_table([], NUMBERS) is None
    with pytest.raises(UnknownNameError, match="nothing is published here of a model 'Our'"):
        published_table(["Our"], NUMBERS)


@pytest.mark.parametrize("format_", ["md", "html", "tex", "json"])
def test_published_numbers_stand_in_a_table_of_their_own(run: Run, tmp_path: Path, format_: str):
    run()
    table = build_table([tmp_path / "run"], published=published_table(["Ours", HOSTILE], NUMBERS))
    text = render(table, format_)
    assert "83,000,000" in text or format_ == "json"
    assert "99.25" in text
    assert "<script>x" not in text or format_ in ("json", "tex")
    if format_ == "json":
        found = json.loads(text)
        assert len(found["rows"]) == 1  # measured rows know nothing of them
        assert len(found["published"]["rows"]) == 2
        return
    parts = {
        "md": text.split("Published by others"),
        "html": re.split(r"<h2>Published</h2>", text),
        "tex": text.split(r"\begin{tabular}")[1:],
    }[format_]
    assert len(parts) == 2
    assert "99.25" not in parts[0]
    assert "second-hand" in parts[1]


def test_the_page_of_a_table_without_them_has_no_such_part(run: Run, tmp_path: Path):
    run()
    table = build_table([tmp_path / "run"])
    assert all("Published" not in render(table, f) for f in ("md", "html", "tex"))  # type: ignore[arg-type]


def test_csv_has_no_place_for_them(run: Run, tmp_path: Path):
    run()
    table = build_table([tmp_path / "run"], published=published_table(["Ours"], NUMBERS))
    with pytest.raises(SpecError, match="don't stand among measured ones"):
        render(table, "csv")


def test_further_metrics_by_name(run: Run, tmp_path: Path):
    run("toy-answers")
    table = build_table([tmp_path / "run"], metrics=["toy-answers.accuracy"])
    assert [column.metric.name for column in table.columns] == ["accuracy"]
    with pytest.raises(UnknownNameError, match=r"no run has a metric 'toy-answers.acuracy'") as e:
        build_table([tmp_path / "run"], metrics=["toy-answers.acuracy"])
    assert "toy-answers.accuracy" in e.value.remedy


def test_one_more_metric_and_not_all():
    baseline = Path(__file__).parents[2] / "results" / "baselines" / "cheers-nano-smoke.jsonl"
    plain, more = (build_table([baseline], metrics=m) for m in ((), ["probe-tokens.llm_tokens"]))
    added = [c for c in more.columns if c not in plain.columns]
    assert [column.metric.name for column in added] == ["llm_tokens"]
    assert len(more.columns) == len(plain.columns) + 1


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_the_command_takes_them_by_name(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run()
    folder = tmp_path / "run"
    assert call("leaderboard", folder, "published:Cheers", "published:tar-1.5b") == 0
    shown = capsys.readouterr().out
    measured, _, published = shown.partition("Published by others")
    assert "Tar-1.5B" in published
    assert "Tar-1.5B" not in measured
    assert "71.7 (second-hand)" in published
    assert call("leaderboard", folder, "published:Cheer") == 2
    assert "Cheers" in capsys.readouterr().err
    assert call("leaderboard", folder, "published:Cheers", "--published", tmp_path) == 1
