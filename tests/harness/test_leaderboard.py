"""Leaderboards: protocols never mix, nothing unknown becomes a number, names are hostile."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import pytest

from harness.errors import LedgerError
from harness.leaderboard import build_table, render
from harness.records import AnswerRequest, Response, TaskStatus
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.seeds import sample_seed
from model_adapters.null import NullModel

MakeRun: TypeAlias = Callable[..., Path]

FORMATS = ("md", "csv", "json", "tex", "html")
HOSTILE = '=cmd|<script>alert(1)</script>`x`_y_\\textbf{z}&%\n"q"'


@pytest.fixture
def make_run(tmp_path: Path):
    count = 0

    def make(*, label: str | None = None, limit: int | None = 8, seed: int = 0, **args: object):
        nonlocal count
        count += 1
        spec = RunSpec(
            tasks=(TaskRef(task="shapes-mmbench"), TaskRef(task="probe-tokens")),
            model=ModelRef(name="null", args=args, label=label),
            limit=limit,
            seed=seed,
            out=str(tmp_path / f"run{count}"),
        )
        execute(spec)
        return Path(spec.out)

    return make


def test_equal_protocols_share_a_column(make_run: MakeRun):
    table = build_table([make_run(answer="A", label="a"), make_run(answer="B", label="b")])
    assert [column.task for column in table.columns] == ["shapes-mmbench", "probe-tokens"]
    assert [row.label for row in table.rows] == ["a", "b"]
    assert all(row.cells[0].value.n == 2 for row in table.rows)


@pytest.mark.parametrize(("change", "named"), [({"limit": 4}, "limit 4"), ({"seed": 1}, "seed 1")])
def test_different_protocols_never_share_a_column(make_run: MakeRun, change: dict, named: str):
    table = build_table([make_run(label="a"), make_run(label="b", **change)])
    columns = [column for column in table.columns if column.task == "shapes-mmbench"]
    assert len(columns) == 2
    assert columns[0].protocol_hash != columns[1].protocol_hash
    assert named in columns[1].qualifier
    places = [
        [i for i, cell in enumerate(row.cells[:2]) if cell.status is not None] for row in table.rows
    ]
    assert places == [[0], [1]]


def test_what_a_model_cannot_do_is_not_applicable(make_run: MakeRun):
    table = build_table([make_run()])
    cell = table.rows[0].cells[1]
    assert cell.status is TaskStatus.NOT_APPLICABLE
    assert cell.value is None
    for format_ in ("md", "tex", "html"):
        assert "n/a" in render(table, format_)


class _Failing(NullModel):
    """Fails on one rotation of one question."""

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        if sample_seed(0, "shapes-mmbench", "00000", 3) in [request.seed for request in requests]:
            raise RuntimeError("no idea")
        return super().answer(requests)


def test_incomplete_runs_say_so_with_bounds(tmp_path: Path):
    models().add("failing", _Failing)
    execute(
        RunSpec(
            tasks=(TaskRef(task="shapes-mmbench"),),
            model=ModelRef(name="failing"),
            limit=8,
            out=str(tmp_path),
        )
    )
    table = build_table([tmp_path])
    assert table.rows[0].cells[0].status is TaskStatus.INCOMPLETE
    text = render(table, "md")
    assert "incomplete (7/8), bounds 0.0 to 0.0" in text
    assert "1 errored" in text
    assert "incomplete 7/8" in render(table, "html")


def test_equal_labels_are_told_apart_by_folder(make_run: MakeRun):
    table = build_table([make_run(), make_run()])
    assert len({row.label for row in table.rows}) == 2
    assert all(row.folder in row.label for row in table.rows)


def test_controls_come_last_and_are_marked(make_run: MakeRun):
    table = build_table([make_run()])
    assert table.rows[0].control
    assert "(control)" in render(table, "md")


def test_all_metrics_give_a_column_each(make_run: MakeRun):
    few, many = (build_table([make_run()], all_metrics=every) for every in (False, True))
    assert len(few.columns) == 2
    assert len(many.columns) > 8
    assert sum(column.primary for column in many.columns) == 2


def test_markdown_is_one_table_whatever_a_label_says(make_run: MakeRun):
    lines = render(build_table([make_run(label=HOSTILE)]), "md").splitlines()
    table = lines[: lines.index("")]
    assert len(table) == 3
    widths = {line.replace("\\|", "").count("|") for line in table}
    assert widths == {4}
    assert "<script>" not in lines[2]


def test_csv_has_every_number_at_full_precision_and_no_formula(make_run: MakeRun):
    rows = list(csv.DictReader(io.StringIO(render(build_table([make_run(label=HOSTILE)]), "csv"))))
    assert len(rows) == 2
    assert not rows[0]["model"].startswith("=")
    assert float(rows[0]["high"]) > float(rows[0]["value"]) == 0
    assert rows[1]["status"] == "not_applicable"
    assert rows[1]["value"] == ""


def test_json_carries_protocol_and_fingerprint(make_run: MakeRun):
    data = json.loads(render(build_table([make_run()]), "json"))
    assert data["columns"][0]["protocol"]["scorer"]["id"] == "mmbench-exact-matching"
    assert data["rows"][0]["fingerprint"]["model"] == "null"


def test_latex_escapes_and_names_protocols(make_run: MakeRun):
    text = render(build_table([make_run(label=HOSTILE)]), "tex")
    assert r"\textbf{z}" not in text
    assert r"\textbackslash{}textbf\{z\}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert all(line.startswith("%") for line in text.splitlines() if "seed 0" in line)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_page_is_self_contained_and_inert(make_run: MakeRun):
    page = _Page(render(build_table([make_run(label=HOSTILE)]), "html"))
    assert page.count("script") == 1
    assert "alert(1)" in page.text
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    links = [a.get("href") or a.get("src") for _, a in page.tags if a.get("href") or a.get("src")]
    assert all(link.startswith("#") for link in links)


def test_page_shows_verdicts_protocols_and_models(make_run: MakeRun):
    page = _Page(render(build_table([make_run(), make_run(answer="B")]), "html"))
    assert page.count("details") == 4
    assert "2 ok, 6 wrong" in page.text
    assert "VLMEvalKit@e8e78f0" in page.text


def test_page_policy_matches_its_script(make_run: MakeRun):
    from harness.pages import csp_hash

    text = render(build_table([make_run()]), "html")
    script = text.split("<script>")[1].split("</script>")[0]
    assert csp_hash(script) in text


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_of_an_empty_table(format_: str):
    assert render(build_table([]), format_) is not None  # type: ignore[arg-type]


def test_a_folder_that_is_no_run_is_named(tmp_path: Path):
    with pytest.raises(LedgerError, match=str(tmp_path)):
        build_table([tmp_path])
