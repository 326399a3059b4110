"""What is wrong with a table is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import Kind, check, open_table
from harness.data.pictures import decode
from tests.data.toys import COLUMNS, png64, question, write_tsv


def found(
    path: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS
) -> list[tuple[int | None, Kind]]:
    findings = check(open_table(write_tsv(path / "t.tsv", rows, columns)))
    assert all(finding.what and finding.remedy for finding in findings)
    return [(finding.row, finding.kind) for finding in findings]


def rotated(index: int, turns: int = 2, **cells: str) -> list[dict[str, str]]:
    """A circular group of two options as MMBench's files have it."""
    first = question(index, **cells)
    second = {**first, "index": str(index + 1_000_000), "A": first["B"], "B": first["A"]}
    second["answer"] = {"A": "B", "B": "A"}[first["answer"]]
    second["image"] = str(index)
    return [first, second][:turns]


def test_a_sound_table_has_no_findings(tmp_path: Path):
    assert found(tmp_path, [question(n) for n in range(5)]) == []
    assert found(tmp_path, [row for n in range(5) for row in rotated(n)]) == []


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"question": "  "}, Kind.EMPTY_QUESTION),
        ({"image": ""}, Kind.BAD_IMAGE),
        ({"image": "x" * 100}, Kind.BAD_IMAGE),
        ({"image": "77"}, Kind.BAD_IMAGE),
        ({"image": png64(size=(99, 99))[:200]}, Kind.BAD_IMAGE),
        ({"answer": ""}, Kind.NO_ANSWER),
        ({"answer": "C"}, Kind.ANSWER_OUTSIDE),
        ({"answer": "a cat"}, Kind.ANSWER_OUTSIDE),
        ({"A": ""}, Kind.OPTION_GAP),
        ({"B": "None", "answer": "A"}, Kind.OPTION_LOST),
        ({"question": "What? Answer: B"}, Kind.LEAK),
        ({"question": "What? The correct answer is (B)."}, Kind.LEAK),
        ({"question": "Is the animal that is a dog big?"}, Kind.LEAK),
    ],
)
def test_each_kind_is_found_at_its_row(tmp_path: Path, cells: dict[str, str], kind: Kind):
    rows = [question(1), question(3, **cells), question(5)]
    assert found(tmp_path, rows) == [(1, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "Is it a cat or a dog?",
        "Is the answer A or B? It isn't A.",
        "Which answer is best?",
        "Hotdogs?",
        "The answer is A. What's wrong with that?",
    ],
)
def test_what_only_looks_like_a_leak_is_none(tmp_path: Path, text: str):
    assert found(tmp_path, [question(1, question=text)]) == []


def test_hints_and_free_answers_leak_too(tmp_path: Path):
    columns = ("index", "question", "hint", "answer", "image")
    rows = [
        {"index": "1", "question": "What is it?", "hint": "A red zebra.", "answer": "Zebra"},
        {"index": "2", "question": "Is it no zebra?", "hint": "", "answer": "no"},
        {"index": "3", "question": "What is it?", "hint": "Zebras!", "answer": "zebra"},
    ]
    rows = [
        {**row, "image": png64(c)} for row, c in zip(rows, ("red", "lime", "blue"), strict=True)
    ]
    assert found(tmp_path, rows, columns) == [(0, Kind.LEAK)]


def test_no_answers_at_all_is_one_finding(tmp_path: Path):
    assert found(tmp_path, [question(n, answer="") for n in range(9)]) == [(None, Kind.NO_ANSWERS)]


def test_duplicates_name_the_first(tmp_path: Path):
    rows = [question(1), question(2), {**question(1), "index": "3"}, question(2, question="New?")]
    findings = check(open_table(write_tsv(tmp_path / "t.tsv", rows)))
    assert [(f.row, f.kind) for f in findings] == [
        (2, Kind.DUPLICATE_QUESTION),
        (3, Kind.DUPLICATE_INDEX),
    ]
    assert "row 0" in findings[0].what
    assert "row 1" in findings[1].what


@pytest.mark.parametrize("cells", [{"A": "a fox"}, {"image": png64("white")}, {"question": "Eh?"}])
def test_another_option_picture_or_question_is_no_duplicate(tmp_path: Path, cells: dict[str, str]):
    assert found(tmp_path, [question(1), {**question(1), "index": "2", **cells}]) == []


def test_options_in_another_order_are_a_duplicate_outside_a_group(tmp_path: Path):
    second = {**rotated(1)[1], "index": "7"}
    assert found(tmp_path, [question(1), second]) == [(1, Kind.DUPLICATE_QUESTION)]


def test_missing_rotations_are_named(tmp_path: Path):
    rows = [*rotated(1), *rotated(2, turns=1), *rotated(3)[1:]]
    rows[-1]["image"] = png64("white")
    findings = check(open_table(write_tsv(tmp_path / "t.tsv", rows)))
    assert [(f.row, f.kind, f.index) for f in findings] == [
        (2, Kind.MISSING_ROTATION, "2"),
        (3, Kind.MISSING_ROTATION, "3"),
    ]
    assert findings[0].what == "circular group 2 lacks rotation 1 of 2"
    assert findings[1].what == "circular group 3 lacks rotation 0 of 2"


def test_each_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    decoded: list[int] = []
    monkeypatch.setattr(
        "harness.data.checking.decode", lambda data: decoded.append(len(data)) or decode(data)
    )
    assert found(tmp_path, [row for n in range(5) for row in rotated(n)]) == []
    assert len(decoded) == 5


def test_a_table_without_pictures_lacks_none(tmp_path: Path):
    columns = ("index", "question", "answer")
    rows = [{"index": str(n), "question": f"Q{n}?", "answer": "yes"} for n in range(3)]
    assert found(tmp_path, rows, columns) == []
    rows.append({"index": "9", "question": "Q1?", "answer": "yes"})
    assert found(tmp_path, rows, columns) == [(3, Kind.DUPLICATE_QUESTION)]


def test_roles_can_be_renamed(tmp_path: Path):
    columns = ("id", "prompt", "gold")
    rows = [{"id": "1", "prompt": "", "gold": "yes"}, {"id": "1", "prompt": "Q?", "gold": "no"}]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows, columns))
    names = {"index": "id", "question": "prompt", "answer": "gold"}
    assert [f.kind for f in check(table, names)] == [Kind.EMPTY_QUESTION, Kind.DUPLICATE_INDEX]
