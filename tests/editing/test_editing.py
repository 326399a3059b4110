"""ImgEdit and GEdit-Bench end to end: data in their formats, editors, and judges of all kinds."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.adapter import ModelAdapter
from harness.errors import BenchError, DataError, SpecError
from harness.ledger import Entry, Ledger
from harness.records import Capability, Fingerprint, ModelCard, Response, TaskResult
from harness.registry import models
from harness.run import execute, plan
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.editing.gedit import GEditBench
from tasks.editing.imgedit import ImgEdit
from tasks.scoring.edit_grades import imgedit_grade, read_imgedit, read_viescore, viescore
from tests.tasks.answers import values_of

EDITS = {
    "1082": {"id": "animal/1.png", "prompt": "make it red", "edit_type": "adjust"},
    "7": {"id": "animal/1.png", "prompt": "make it blue", "edit_type": "adjust"},
    "673": {"id": "style/2.png", "prompt": "as a woodcut", "edit_type": "style"},
}
GREY = (90, 90, 90)


class _Model(ModelAdapter):
    """Edits or judges by functions."""

    def __init__(self, name: str, can: Capability, serve: Callable[[Any], Response]) -> None:
        self.card = ModelCard(
            name=name, summary="A toy.", capabilities=frozenset({can}), licence="-", source="-"
        )
        self.serve = serve
        self.asked: list[Any] = []

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.card.name,
            adapter="test",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="none",
            device="cpu",
        )

    def edit_image(self, requests: Sequence[Any]) -> list[Response]:
        return [self.serve(request) for request in requests]

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        self.asked += requests
        return [self.serve(request) for request in requests]


def paint(request: Any) -> Response:
    """Obeys instructions that name a colour."""
    color = next((c for c in ("red", "blue") if c in request.prompt), None)
    return Response(image=Image.new("RGB", request.image.size, color) if color else request.image)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a task with a judge that says what a function gives; the judge is kept."""

    def run(task: str, say: Callable[[Any], str], **options: Any) -> tuple[TaskResult, _Model]:
        judge = _Model("judge", Capability.ANSWER, lambda r: Response(text=say(r)))
        editor = _Model("editor", Capability.EDIT_IMAGE, paint)
        monkeypatch.setitem(models()._added, "judge", lambda: judge)
        monkeypatch.setitem(models()._added, "editor", lambda: editor)
        ref = TaskRef(task=task, options={"judge": "judge", **options})
        out = tmp_path / "run"
        execute(RunSpec(tasks=(ref,), model=ModelRef(name="editor"), out=str(out)))
        with Ledger.open(out) as ledger:
            return ledger.results()[0], judge

    return run


def entries(tmp_path: Path, task: str) -> dict[str, Entry]:
    with Ledger.open(tmp_path / "run") as ledger:
        return {entry.sample.id: entry for entry in ledger.entries(task)}


# --- ImgEdit -------------------------------------------------------------------------------------


@pytest.fixture
def imgedit(tmp_path: Path) -> dict[str, Any]:
    for edit in EDITS.values():
        file = tmp_path / "pictures" / edit["id"]
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), GREY).save(file)
    (tmp_path / "basic_edit.json").write_text(json.dumps(EDITS))
    return {"edits": str(tmp_path / "basic_edit.json"), "pictures": str(tmp_path / "pictures")}


def fair(request: Any) -> str:
    """Grades by whether the second picture is what the instruction names."""
    before, after = request.images
    assert before.getpixel((0, 0)) == GREY
    done = after.getpixel((0, 0)) != before.getpixel((0, 0))
    return (
        f"Brief: ok\nInstruction: {5 if done else 1}\nQuality: 5\nPreservation: {4 if done else 5}"
    )


def test_imgedit_by_type_and_overall(ran: Any, imgedit: Any, tmp_path: Path):
    result, judge = ran("imgedit", fair, **imgedit)
    values = values_of(result)
    # Two edits of one type are done (5, 5, 4), one of another type isn't (1, 5, 5).
    assert values["adjust"] == pytest.approx(4.67)
    assert values["style"] == pytest.approx(3.67)
    assert values["overall"] == pytest.approx((4.67 + 3.67) / 2)
    assert values["mean"] == pytest.approx((2 * 4.67 + 3.67) / 3)
    assert result.verdicts == {"ok": 3}
    assert {len(request.images) for request in judge.asked} == {2}
    assert all("make it" in r.prompt or "woodcut" in r.prompt for r in judge.asked)
    assert entries(tmp_path, "imgedit")["1082"].outcome.details["grades"] == [5, 5, 4]


def test_a_judge_that_gives_no_grade_makes_no_zero(ran: Any, imgedit: Any):
    def say(request: Any) -> str:
        return "I'd rather not." if "woodcut" in request.prompt else fair(request)

    result, _ = ran("imgedit", say, **imgedit)
    assert result.verdicts == {"ok": 2, "judge_failed": 1}
    overall = next(m for m in result.metrics if m.name == "overall")
    assert overall.value == pytest.approx(4.67)
    assert overall.bound_low < overall.value < overall.bound_high == pytest.approx((4.67 + 5) / 2)


def test_the_benchmarks_own_prompts_are_used_and_hashed(ran: Any, imgedit: Any, tmp_path: Path):
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps({"adjust": "A <edit_prompt>", "style": "S <edit_prompt>"}))
    _, judge = ran("imgedit", fair, **imgedit, judge_prompts=str(prompts))
    assert {r.prompt for r in judge.asked} == {"A make it red", "A make it blue", "S as a woodcut"}
    own, given = ImgEdit(imgedit), ImgEdit({**imgedit, "judge_prompts": str(prompts)})
    assert str(own.scorer().settings["wording"]).startswith("own wording ")
    assert len(str(given.scorer().settings["wording"])) == 64
    assert own.protocol(0).hash != given.protocol(0).hash
    assert str(prompts) not in str(given.protocol(0))


def test_pictures_are_part_of_the_protocol(imgedit: Any, tmp_path: Path):
    before = ImgEdit(imgedit).protocol(0)
    Image.new("RGB", (12, 8), "white").save(tmp_path / "pictures" / "style" / "2.png")
    assert ImgEdit(imgedit).protocol(0).hash != before.hash
    assert before.dataset.name == "imgedit-file"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"edits": "/no/file.json"}, DataError, "/no/file.json"),
        ({"pictures": ""}, DataError, "needs the folder of its pictures"),
        ({"pictures": "/no/folder"}, DataError, "no folder /no/folder"),
        ({"sha256": "0" * 64}, DataError, "sha256"),
        ({"judge": ""}, SpecError, "has no judge"),
        ({"judge_prompts": "/no/prompts.json"}, DataError, "/no/prompts.json"),
    ],
)
def test_what_is_missing_is_said_before_the_model_is_asked(
    ran: Any, imgedit: Any, change: Any, error: type[BenchError], said: str
):
    with pytest.raises(error, match=said):
        ran("imgedit", fair, **{**imgedit, **change})
    assert not (Path(imgedit["edits"]).parent / "run").exists()


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({}, "holds no edits"),
        ({"1": {"id": "a.png"}}, "missing required field"),
        ({"1": {**EDITS["7"], "id": "../secret.png"}}, "leads out of"),
        ({"1": {**EDITS["7"], "id": "animal/none.png"}}, "none.png can't be read"),
    ],
)
def test_bad_files_are_refused(ran: Any, imgedit: Any, tmp_path: Path, edits: Any, said: str):
    (tmp_path / "basic_edit.json").write_text(json.dumps(edits))
    with pytest.raises(DataError, match=said):
        ran("imgedit", fair, **imgedit)


@pytest.mark.parametrize("linked", [False, True])
def test_a_picture_outside_of_the_folder_is_refused_though_it_exists(
    ran: Any, imgedit: Any, tmp_path: Path, linked: bool
):
    Image.new("RGB", (12, 8), GREY).save(tmp_path / "secret.png")
    (tmp_path / "pictures" / "link.png").symlink_to(tmp_path / "secret.png")
    edits = {"1": {**EDITS["7"], "id": "link.png" if linked else "../secret.png"}}
    (tmp_path / "basic_edit.json").write_text(json.dumps(edits))
    with pytest.raises(DataError, match=r"(link|secret)\.png leads out of"):
        ImgEdit({**imgedit, "judge": "null"}).preflight()
    with pytest.raises(DataError, match="leads out of"):
        ran("imgedit", fair, **imgedit)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ({"adjust": "<edit_prompt>"}, "none for 'style'"),
        ({"adjust": "a", "style": "b"}, "no prompt of .* has a place"),
        (["x"], "can't be read as a JSON object"),
    ],
)
def test_bad_prompts_for_the_judge_are_refused(
    ran: Any, imgedit: Any, tmp_path: Path, prompts: Any, said: str
):
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    with pytest.raises(DataError, match=said):
        ran("imgedit", fair, **imgedit, judge_prompts=str(tmp_path / "prompts.json"))


# --- GEdit-Bench ---------------------------------------------------------------------------------


def png(color: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), color).save(buffer, "PNG")
    return buffer.getvalue()


ROWS = [
    ("a", "color_alter", "make it red", "en", True),
    ("b", "color_alter", "make it blue", "en", False),
    ("c", "style_change", "as a woodcut", "en", True),
    ("d", "style_change", "\u53d8\u7ea2 red", "cn", True),
]


@pytest.fixture
def gedit(tmp_path: Path) -> dict[str, Any]:
    picture = {"bytes": png(GREY), "path": None}
    columns: dict[str, Any] = {
        name: [row[n] for row in ROWS]
        for n, name in enumerate(("key", "task_type", "instruction", "instruction_language"))
    }
    columns["Intersection_exist"] = [row[4] for row in ROWS]
    columns["input_image"] = [picture] * len(ROWS)
    columns["input_image_raw"] = [{"bytes": png("white"), "path": None}] * len(ROWS)
    pq.write_table(pa.table(columns), tmp_path / "gedit.parquet")
    return {"edits": str(tmp_path / "gedit.parquet")}


def viescorer(request: Any) -> str:
    *before, after = request.images
    assert after.width * after.height == pytest.approx(512 * 512, rel=0.01)
    if not before:
        return 'Looks fine. {"score": [9, 7], "reasoning": "clean"}'
    done = after.getpixel((0, 0)) != before[0].getpixel((0, 0))
    return json.dumps({"score": [8, 10] if done else [0, 10], "reasoning": "x"})


def test_gedit_by_kind_and_overall(ran: Any, gedit: Any):
    result, judge = ran("gedit-bench", viescorer, **gedit)
    values = values_of(result)
    done = math.sqrt(8 * 7)
    assert values["color_alter"] == pytest.approx(done)
    assert values["style_change"] == 0
    assert values["overall"] == pytest.approx(done / 2)
    assert values["mean"] == pytest.approx(2 * done / 3)
    assert values["semantics"] == pytest.approx(4)
    assert values["quality"] == 7
    assert sorted(len(request.images) for request in judge.asked) == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({}, ["a", "b", "c"]),
        ({"language": "cn"}, ["d"]),
        ({"language": "all"}, ["a", "b", "c", "d"]),
        ({"intersection": True}, ["a", "c"]),
    ],
)
def test_the_subsets(gedit: Any, options: Any, keys: list[str]):
    assert [sample.id for sample in GEditBench({**gedit, **options}).samples()] == keys


def test_the_source_is_the_input_image_and_not_the_raw_one(gedit: Any):
    task = GEditBench(gedit)
    request = task.request(next(iter(task.samples())), 5)
    assert request.image.getpixel((0, 0)) == GREY
    assert (request.prompt, request.seed) == ("make it red", 5)


def test_either_answer_without_grades_is_the_judges_failure(ran: Any, gedit: Any, tmp_path: Path):
    def say(request: Any) -> str:
        return "no" if len(request.images) == 1 else viescorer(request)

    result, _ = ran("gedit-bench", say, **gedit)
    assert result.verdicts == {"judge_failed": 3}
    reason = entries(tmp_path, "gedit-bench")["a"].outcome.reason
    assert "no grades can be read off the judge's answer 'no'" in reason


def test_gedit_says_what_it_lacks(ran: Any, gedit: Any, tmp_path: Path):
    with pytest.raises(SpecError, match="unknown language 'de'"):
        list(GEditBench({**gedit, "language": "de"}).samples())
    with pytest.raises(DataError, match="sha256"):
        ran("gedit-bench", viescorer, **gedit, sha256="0" * 64)
    table = pq.read_table(gedit["edits"]).drop_columns(["task_type"])
    pq.write_table(table, gedit["edits"])
    with pytest.raises(DataError, match="task_type"):
        ran("gedit-bench", viescorer, **gedit)


def test_a_plan_counts_pictures_both_ways(gedit: Any, tmp_path: Path):
    ref = TaskRef(task="gedit-bench", options={**gedit, "judge": "null"})
    spec = RunSpec(tasks=(ref,), model=ModelRef(name="null"), out=str(tmp_path / "none"))
    (work,) = plan(spec).tasks
    assert (work.samples, work.images_in, work.images_out) == (3, 3, 3)


# --- reading grades ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "grades"),
    [
        ("A: 1\nB: 4\nC: 4", (1, 4, 4)),
        ("  A: 5  \n\nnote", (5,)),
        ("A: 4.5\nB: 3", (3,)),  # as the original, which takes digits alone
        ("A: 1: 2\nB: 3", (3,)),
        ("A: 9\nB: 3", None),
        ("A: 0", None),
        ("A: \u0663", None),
        ("", None),
    ],
)
def test_lines_with_grades(answer: str, grades: Any):
    assert read_imgedit(answer) == grades


@pytest.mark.parametrize(
    ("answer", "grades"),
    [
        ('{"score": [1, 2]}', (1.0, 2.0)),
        ('||V^=^V||{"reasoning": "{x}", "score": [10, 0]}||V^=^V||', (10.0, 0.0)),
        ('{"score": 7}', (7.0,)),
        ('{"a": 1} {"score": [3]}', (3.0,)),
        ('{"score": ["8"]}', None),
        ('{"score": []}', None),
        ('{"score": [true]}', None),
        ('{"score": [NaN]}', None),
        ('{"score": [-1]}', None),
        ("{" * 2000, None),
        ("", None),
    ],
)
def test_json_with_grades(answer: str, grades: Any):
    assert read_viescore(answer) == grades


@given(st.text(max_size=200))
def test_no_text_breaks_the_readers(answer: str):
    for grades in (read_imgedit(answer), read_viescore(answer)):
        assert grades is None or all(0 <= grade <= 10 for grade in grades)


@given(st.lists(st.integers(0, 10), min_size=1), st.lists(st.integers(0, 10), min_size=1))
def test_viescore_is_the_geometric_mean_of_the_lowest(meaning: list[int], looks: list[int]):
    low, lower, overall = viescore(meaning, looks)
    assert (low, lower) == (min(meaning), min(looks))
    assert overall**2 == pytest.approx(low * lower)
    assert min(low, lower) <= overall + 1e-9 <= max(low, lower) + 2e-9


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_the_grade_is_the_rounded_mean(grades: list[int]):
    assert imgedit_grade(grades) == pytest.approx(sum(grades) / len(grades), abs=0.00501)
