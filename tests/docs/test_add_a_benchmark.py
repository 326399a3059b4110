"""The worked example of docs/understanding.md, taken from the page and run as it stands."""

import re
from pathlib import Path

import pytest

from harness.ledger import Ledger, read_manifest
from harness.registry import tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.data.toys import png64, write_tsv

PAGE = Path(__file__).parents[2] / "docs" / "understanding.md"
COLUMNS = ("index", "question", "A", "B", "C", "answer", "category", "image")


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    space: dict[str, object] = {"__name__": "colours"}
    exec(compile(code, str(PAGE), "exec"), space)
    monkeypatch.setitem(tasks()._added, "colours", space["Colours"])
    rows = [
        {
            "index": str(i),
            "question": "What colour is it?",
            "A": "red",
            "B": "blue",
            "C": "grey",
            "answer": "ABC"[i % 3],
            "category": "things",
            "image": png64(("red", "blue", "grey")[i % 3]),
        }
        for i in range(6)
    ]
    return write_tsv(tmp_path / "colours.tsv", rows, COLUMNS)


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [("B", {"ok": 2, "wrong": 4}), ("It is grey.", {"ok": 2, "wrong": 4}), ("?", {"unparsed": 6})],
)
def test_the_example_runs(colours: Path, tmp_path: Path, answer: str, verdicts: dict[str, int]):
    spec = RunSpec(
        tasks=(TaskRef(task="colours", options={"file": str(colours)}),),
        model=ModelRef(name="null", args={"answer": answer}),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    assert result.verdicts == verdicts
    assert set(result.extra["categories"]["category"]) == {"things"}
    (plan,) = read_manifest(tmp_path / "run").tasks
    assert plan.protocol.id == "Colours-file/plain"


def test_the_page_registers_what_it_defines():
    assert 'colours = "my_tasks.colours:Colours"' in PAGE.read_text()


def test_the_page_lists_every_task_of_the_suite():
    from harness.registry import suites

    text = PAGE.read_text()
    assert all(f"`{entry.task}`" in text for entry in suites().get("understanding").entries)
