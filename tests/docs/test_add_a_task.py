"""The worked example of docs/add-a-task.md, taken from the page and run as it stands."""

import re
from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.registry import tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef

PAGE = Path(__file__).parents[2] / "docs" / "add-a-task.md"


@pytest.fixture
def oddness(monkeypatch: pytest.MonkeyPatch):
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    space: dict[str, object] = {"__name__": "oddness"}
    exec(compile(code, str(PAGE), "exec"), space)
    monkeypatch.setitem(tasks()._added, "oddness", space["Oddness"])
    return space["Oddness"]


@pytest.mark.parametrize(
    ("answer", "verdicts", "accuracy"),
    [
        ("odd", {"ok": 5, "wrong": 5}, 0.5),
        ("Even.", {"ok": 5, "wrong": 5}, 0.5),
        ("?", {"unparsed": 10}, 0),
    ],
)
def test_the_example_runs(
    oddness: type, tmp_path: Path, answer: str, verdicts: dict[str, int], accuracy: float
):
    spec = RunSpec(
        tasks=(TaskRef(task="oddness", options={"numbers": 10}),),
        model=ModelRef(name="null", args={"answer": answer}),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    assert result.verdicts == verdicts
    assert result.metrics[0].value == accuracy


def test_the_page_registers_what_it_defines():
    assert 'oddness = "my_tasks.oddness:Oddness"' in PAGE.read_text()
