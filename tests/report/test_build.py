"""Building a report: every sample, nothing half-done, nothing from outside trusted."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from harness.artefacts import write_artefact
from harness.baselines import make_baseline, save_baseline
from harness.cli.main import main
from harness.errors import LedgerError, SpecError
from harness.ledger import Ledger
from harness.media import pixel_hash
from harness.pages import csp_hash
from harness.records import Aggregation, MetricSpec, Sample
from harness.registry import tasks
from harness.report import ReportSettings, build_report
from harness.report.samples import SNIPPET
from tests.report import toys
from tests.report.conftest import MakeRun

SINGLE = ReportSettings(single_file=True)
QUESTIONS, PICTURES = 0, 1


class Page(HTMLParser):
    """Tags with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.scripts and not self.scripts[-1][1]:
            self.scripts[-1] = (self.scripts[-1][0], data)
        else:
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        found = next(text for attrs, text in self.scripts if attrs.get("id") == "report-data")
        return json.loads(found)  # type: ignore[no-any-return]

    @property
    def policy(self) -> dict[str, str]:
        content = next(a["content"] for _, a in self.tags if a.get("http-equiv"))
        return dict(part.split(" ", 1) for part in (content or "").split("; "))


def _page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def _shards(folder: Path, kind: str, group: int, run: int) -> Iterator[Any]:
    for number in range(1000):
        path = folder / "data" / f"{kind}-{group}-{run}-{number}.js"
        if not path.exists():
            return
        yield from json.loads(re.sub(r"^[^,]*,|\);\n$", "", path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def report(two_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(two_runs, tmp_path_factory.mktemp("built") / "report")


def test_every_sample_of_every_run_is_there(report: Path, two_runs: list[Path]):
    for run, folder in enumerate(two_runs):
        with Ledger.open(folder) as ledger:
            for group, task in enumerate(ledger.tasks()):
                entries = list(ledger.entries(task))
                rows = list(_shards(report.parent, "rows", group, run))
                bodies = list(_shards(report.parent, "bodies", group, run))
                assert [(row[0], row[1], row[3]) for row in rows] == [
                    (e.sample.id, e.sample.k, e.outcome.verdict.value) for e in entries
                ]
                assert [body["verdict"] for body in bodies] == [row[3] for row in rows]


def test_rows_are_short_and_bodies_whole(report: Path):
    rows = list(_shards(report.parent, "rows", QUESTIONS, 0))
    bodies = list(_shards(report.parent, "bodies", QUESTIONS, 0))
    assert rows[2][7] == toys.MEGABYTE[:SNIPPET]
    assert bodies[2]["text"] == toys.MEGABYTE
    assert bodies[0]["text"] == toys.SCRIPT
    assert bodies[3]["text"] == toys.ANSWERS[3]
    assert bodies[4]["empty"]
    assert "text" not in bodies[4]


def test_large_bodies_have_their_own_shards(report: Path):
    parts = _page(report).data["groups"][QUESTIONS]["runs"][0]
    assert len(parts["bodies"]) > 2
    assert parts["bodies"] == sorted(set(parts["bodies"]))
    assert parts["rows"] == [0]


def test_the_page_holds_nothing_that_a_model_or_label_could_run(report: Path):
    page = _page(report)
    assert {tag for tag, _ in page.tags} & {"img", "iframe", "object", "base", "form"} <= {"form"}
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    executable = [a for a, _ in page.scripts if a.get("type") != "application/json"]
    assert executable == [{"type": "module"}]
    assert "\u202e" not in page.text
    assert "\\u202e" in page.text
    assert toys.SCRIPT in page.text


def test_the_policy_is_strict_and_matches(report: Path):
    page = _page(report)
    script = next(text for attrs, text in page.scripts if attrs.get("type") == "module")
    style = re.search(r"<style>(.*?)</style>", report.read_text(), re.DOTALL)[1]
    assert page.policy == {
        "default-src": "'none'",
        "style-src": f"'{csp_hash(style)}'",
        "script-src": f"'{csp_hash(script)}' 'self' file:",
        "img-src": "data: 'self' file:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not [a for _, a in page.tags if "style" in a]


def test_links_stay_in_the_page(report: Path):
    page = _page(report)
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    views = {a["data-view"] for tag, a in page.tags if tag == "section" and "data-view" in a}
    assert all(link.startswith("#") for link in links)
    assert {link[1:].split("?")[0] for link in links} - {"main"} <= views


def test_tables_have_heads_and_sortable_columns_say_so(report: Path):
    page = _page(report)
    heads = [a for tag, a in page.tags if tag == "th"]
    assert all(a.get("scope") in ("col", "row", "rowgroup") for a in heads)
    assert sum(a.get("aria-sort") == "none" for a in heads) == 3


def test_pictures_are_copied_pixel_for_pixel(report: Path, two_runs: list[Path]):
    with Ledger.open(two_runs[0]) as ledger:
        entry = next(iter(ledger.entries("toy-pictures")))
    body = next(_shards(report.parent, "bodies", PICTURES, 0))
    with Image.open(report.parent / body["image"]) as image:
        assert pixel_hash(image) == entry.response.image_sha256


def test_pictures_that_the_model_saw_are_made_again_and_stored_once(report: Path):
    bodies = list(_shards(report.parent, "bodies", QUESTIONS, 0))
    assert len({path for body in bodies for path in body["shown"]}) == 2
    assert len(list((report.parent / "images" / "shown").iterdir())) == 2
    with Image.open(report.parent / bodies[1]["shown"][0]) as image:
        assert image.convert("RGB").getpixel((0, 0)) == toys.RED


def test_another_picture_than_the_model_saw_is_never_shown(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = make_run("toy-questions")
    monkeypatch.setattr(toys.Questions, "colour", (1, 2, 3))
    page = build_report([run], tmp_path / "out")
    bodies = list(_shards(page.parent, "bodies", 0, 0))
    assert [bool(body.get("shown")) for body in bodies] == [True, False] * 8
    assert "makes other requests now" in _page(page).text


@pytest.mark.parametrize("way", ["unknown", "broken"])
def test_a_task_that_is_not_here_leaves_out_pictures_and_says_so(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
):
    run = make_run("toy-questions")
    if way == "unknown":
        monkeypatch.delitem(tasks()._added, "toy-questions")
    else:
        monkeypatch.setattr(toys.Questions, "request", lambda *_: 1 / 0)
    page = build_report([run], tmp_path / "out")
    assert not any("shown" in body for body in _shards(page.parent, "bodies", 0, 0))
    assert "pictures shown to the model are left out" in _page(page).text


def test_an_errored_sample_shows_the_last_line_first(report: Path):
    row = list(_shards(report.parent, "rows", QUESTIONS, 1))[3]
    body = list(_shards(report.parent, "bodies", QUESTIONS, 1))[3]
    assert row[3] == "errored"
    assert row[8].startswith("ValueError: broken on purpose")
    assert body["reason"].startswith("Traceback")


def test_runs_are_compared_where_protocols_are_equal(make_run: MakeRun, tmp_path: Path):
    runs = [make_run(), make_run(answers=("A",)), make_run(seed=1)]
    page = _page(build_report(runs, tmp_path / "out"))
    pairs = [a for tag, a in page.tags if "data-pair" in a]
    assert len(pairs) == 3
    assert "other protocol" in page.text
    assert len(page.data["groups"]) == 4
    assert [len(group["runs"]) for group in page.data["groups"]] == [2, 1, 2, 1]


def test_many_runs_are_compared_with_the_first(make_run: MakeRun, tmp_path: Path):
    runs = [make_run("toy-questions", limit=2, label=f"r{n}") for n in range(5)]
    page = _page(build_report(runs, tmp_path / "out"))
    pairs = [a for tag, a in page.tags if "data-pair" in a]
    assert len(pairs) == 4


def test_one_run_has_nothing_to_compare(make_run: MakeRun, tmp_path: Path):
    page = _page(build_report([make_run("toy-questions")], tmp_path / "out"))
    assert "#compare" not in [a.get("href") for _, a in page.tags]


def test_a_single_file_holds_everything(two_runs: list[Path], tmp_path: Path):
    path = build_report(two_runs, tmp_path / "deep" / "r.html", SINGLE)
    assert [p.name for p in path.parent.iterdir()] == ["r.html"]
    page = _page(path)
    assert page.policy["img-src"] == "data:"
    assert "file:" not in page.policy["script-src"]
    blocks = {a["data-block"]: text for a, text in page.scripts if "data-block" in a}
    assert {"rows-0-0-0", "bodies-1-1-0"} <= set(blocks)
    body = json.loads(blocks["bodies-1-0-0"])[0]
    assert body["image"].endswith(".webp")
    assert blocks[body["image"]].startswith("UklGR")
    assert toys.MEGABYTE in path.read_text()


def test_thumbnails_are_as_small_as_asked(make_run: MakeRun, tmp_path: Path):
    import base64
    import io

    settings = ReportSettings(single_file=True, thumbnail=4)
    page = _page(build_report([make_run("toy-pictures", limit=1)], tmp_path / "r.html", settings))
    text = next(t for a, t in page.scripts if (a.get("data-block") or "").startswith("images/"))
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert max(image.size) == 4


def test_a_single_file_may_lie_in_a_folder_of_its_own(make_run: MakeRun, tmp_path: Path):
    path = build_report([make_run("toy-pictures", limit=1)], tmp_path / "out", SINGLE)
    assert path == tmp_path / "out" / "index.html"


def test_equal_runs_give_equal_bytes(make_run: MakeRun, tmp_path: Path):
    run = make_run()
    pages = [build_report([run], tmp_path / name) for name in ("a", "b")]
    files = [sorted(p for p in page.parent.rglob("*") if p.is_file()) for page in pages]
    assert [p.relative_to(tmp_path / "a") for p in files[0]] == [
        p.relative_to(tmp_path / "b") for p in files[1]
    ]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_an_earlier_report_is_replaced_whole(make_run: MakeRun, tmp_path: Path):
    out = tmp_path / "out"
    build_report([make_run()], out)
    build_report([make_run("toy-pictures", limit=1)], out)
    assert sorted(p.name for p in (out / "data").iterdir()) == ["bodies-0-0-0.js", "rows-0-0-0.js"]
    assert not list(tmp_path.glob(".report-*"))


@pytest.mark.parametrize("kind", ["folder", "file", "run"])
def test_what_is_no_report_is_never_replaced(make_run: MakeRun, tmp_path: Path, kind: str):
    run = make_run("toy-pictures", limit=1)
    out = {"folder": tmp_path / "mine", "file": tmp_path / "mine.txt", "run": run}[kind]
    if kind == "folder":
        out.mkdir()
        (out / "thesis.tex").write_text("precious")
    elif kind == "file":
        out.write_text("precious")
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    with pytest.raises(SpecError, match="isn't a report"):
        build_report([run], out)
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before


def test_a_failure_leaves_the_earlier_report(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from harness.report import builder

    run, out = make_run("toy-pictures", limit=1), tmp_path / "out"
    build_report([run], out)
    before = (out / "index.html").read_bytes()
    monkeypatch.setattr(builder, "render_report", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_report([run], out)
    assert (out / "index.html").read_bytes() == before
    assert not list(tmp_path.glob(".report-*"))


def test_a_ledger_cannot_name_files_outside_its_run(make_run: MakeRun, tmp_path: Path):
    run = make_run("toy-pictures", limit=4)
    secret = tmp_path / "secret.png"
    Image.new("RGB", (4, 4), "red").save(secret)
    link = run / "images" / "link.png"
    link.symlink_to(secret)
    paths = ["../secret.png", str(secret), "images/link.png", "images/gone.png"]
    with sqlite3.connect(run / "ledger.sqlite") as connection:
        rows = connection.execute("SELECT n FROM responses ORDER BY n").fetchall()
        for (n,), path in zip(rows, paths, strict=True):
            connection.execute("UPDATE responses SET image_path = ? WHERE n = ?", (path, n))
    connection.close()
    page = build_report([run], tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))
    assert not any("image" in body for body in _shards(page.parent, "bodies", 0, 0))
    assert "4 pictures of the runs can't be read" in _page(page).text


def test_artefacts_stand_beside_their_sample(make_run: MakeRun, tmp_path: Path):
    run = make_run("toy-pictures", limit=2)
    sample = Sample(id="q001")
    write_artefact(run, "toy-pictures", sample, "heat maps", Image.new("RGB", (20, 4), "red"))
    write_artefact(run, "toy-pictures", sample, "denoising", Image.new("L", (20, 4), 9))
    (run / "artefacts" / "toy-pictures" / "q001_0" / "torn.png").write_bytes(b"\x89PNG torn")
    page = build_report([run], tmp_path / "out")
    first, second = _shards(page.parent, "bodies", 0, 0)
    assert "artefacts" not in first
    assert [name for name, _ in second["artefacts"]] == ["denoising", "heat-maps"]
    for _, path in second["artefacts"]:
        with Image.open(page.parent / path) as image:
            assert image.size == (20, 4)


def test_a_run_that_is_not_finished_is_shown_as_it_is(make_run: MakeRun, tmp_path: Path):
    run = make_run("toy-questions")
    with sqlite3.connect(run / "ledger.sqlite") as connection:
        connection.execute("DELETE FROM outcomes WHERE n > 10")
        connection.execute("DELETE FROM responses WHERE n > 10")
        connection.execute("DELETE FROM results")
    connection.close()
    page = _page(build_report([run], tmp_path / "out"))
    assert page.data["groups"][0]["runs"][0]["verdicts"]["missing"] == 5


@pytest.mark.parametrize(
    ("folders", "error", "words"),
    [
        ([], SpecError, "no run"),
        (["twice", "twice"], SpecError, "twice"),
        (["no"], LedgerError, "no"),
    ],
)
def test_what_can_not_be_reported(
    make_run: MakeRun, tmp_path: Path, folders: list[str], error: type[Exception], words: str
):
    if "twice" in folders:
        shutil.copytree(make_run("toy-pictures", limit=1), tmp_path / "twice")
    with pytest.raises(error, match=words):
        build_report([tmp_path / name for name in folders], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_to_open(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run("toy-pictures", limit=1)
    with pytest.raises(SystemExit) as caught:
        main(["report", str(run), "--out", str(tmp_path / "out"), "--title", toys.SCRIPT])
    assert not caught.value.code
    assert capsys.readouterr().out == f"open {tmp_path / 'out' / 'index.html'}\n"
    assert toys.SCRIPT in _page(tmp_path / "out" / "index.html").text


def test_a_sample_has_no_ratio_of_its_own(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    f1 = MetricSpec(name="f1", score="accuracy", over="accuracy", aggregation=Aggregation.F1)
    monkeypatch.setattr(
        toys.Questions, "metadata", msgspec.structs.replace(toys.Questions.metadata, metrics=(f1,))
    )
    page = build_report([make_run("toy-questions", limit=2)], tmp_path / "out")
    assert [row[4] for row in _shards(page.parent, "rows", 0, 0)] == [None, None]


def test_a_baseline_has_no_samples_to_report(make_run: MakeRun, tmp_path: Path):
    baseline = make_baseline(make_run("toy-questions", limit=2), "b")
    path = save_baseline(baseline, tmp_path / "baselines")
    with pytest.raises(LedgerError, match="the folder that `cheers-bench run --out` wrote"):
        build_report([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
