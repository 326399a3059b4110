"""Official and corrected scores of one set of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.registry import suites
from harness.run import score_otherwise
from tests.understanding.answering import Answering
from tests.understanding.conftest import RunTask

ENTRIES = {entry.task: dict(entry.options) for entry in suites().get("paper").entries}
CORRECTED = {entry.task: dict(entry.options) for entry in suites().get("paper-corrected").entries}
READ = [name for name in ENTRIES if name not in ("geneval", "dpg-bench")]


def test_the_two_suites_ask_the_same():
    assert list(ENTRIES) == list(CORRECTED)
    for name, options in ENTRIES.items():
        asked = {key for key in options if key not in ("scorer", "extraction", "open_answers")}
        assert {key: CORRECTED[name][key] for key in asked} == {key: options[key] for key in asked}


@pytest.mark.parametrize("task", [name for name in READ if ENTRIES[name] != CORRECTED[name]])
def test_one_run_gives_both_numbers(task: str, run_task: RunTask, tmp_path: Path):
    model = Answering(lambda _, sample: f"The answer is {sample.target} or so.")
    official = run_task(task, model, folder=tmp_path / "official", **ENTRIES[task])
    asked = run_task(task, model, folder=tmp_path / "asked", **CORRECTED[task])
    score_otherwise(official.folder, tmp_path / "second", CORRECTED)
    with Ledger.open(tmp_path / "second") as ledger:
        (second,) = ledger.results()
    assert second == asked.result
    assert second.protocol_hash != official.result.protocol_hash


def test_the_rules_differ_where_the_official_one_reads_more(run_task: RunTask, tmp_path: Path):
    """It takes a letter early in a sentence for the answer; the corrected one doesn't."""
    say = Answering(lambda _, sample: f"{sample.target} is what I see in the middle")
    official = run_task("seedbench", say, **ENTRIES["seedbench"])
    score_otherwise(official.folder, tmp_path / "second", CORRECTED)
    with Ledger.open(tmp_path / "second") as ledger:
        (second,) = ledger.results()
    assert official.verdicts == {"ok": 8}
    assert second.verdicts == {"unparsed": 8}
