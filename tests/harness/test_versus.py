"""Two models side by side: every published row with its source, measured ones with their error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli.main import main
from harness.errors import ProtocolMismatchError
from harness.published import PublishedNumber, versus, versus_markdown
from tests.gate.made import ENVIRONMENT, made, rows, share


def number(model: str, value: float, task: str = "t", **cells: Any) -> PublishedNumber:
    plain = {"metric": "accuracy", "unit": "percent", "kind": "paper", "source": "p. 1"}
    more = {"decimals": 0, "factor": 0.01} | plain | cells
    return PublishedNumber(model=model, task=task, value=value, **more)


def both(tmp_path: Path, **changes: Any) -> list[Path]:
    """A run of 40 questions, and another of 30; the keywords change the second's manifest."""
    first = made(tmp_path, "one", {"t": rows(share(30, 40))}, with_results=True)
    second = made(tmp_path, "two", {"t": rows(share(15, 30))}, with_results=True, **changes)
    return [first, second]


def values(table: Any) -> list[tuple[Any, ...]]:
    return [
        (pair.task, *(side and side.value for side in (pair.first, pair.second)))
        for pair in table.published
    ]


def test_all_rows_of_a_pair_are_kept_and_those_of_one_source_stand_together():
    numbers = [
        number("Toy", 70, source="review"),
        number("Toy", 69, kind="third-party", source="a pull request"),
        number("Rival", 61, kind="third-party", source="a blog"),
        number("Rival", 60, source="review"),
        number("Rival", 59, source="elsewhere"),
        number("Rival", 1, task="x"),
        number("Nobody", 2),
    ]
    table = versus(("toy", "RIVAL"), numbers, [])
    assert values(table) == [("t", 70, 60), ("t", 69, 61), ("t", None, 59), ("x", None, 1)]
    assert (table.measured, table.labels) == ((), ("", ""))


def test_published_numbers_show_kind_source_and_whose_note_it_is():
    numbers = [
        number("Toy", 70.4, decimals=2, note="by hand"),
        number("Rival", 0.6, decimals=1, kind="third-party", source="a | b", unit="fraction"),
    ]
    text = versus_markdown(versus(("Toy", "Rival"), numbers, []))
    assert (
        "| 70.40, paper [1] | 0.6, third-party [2] | percent and fraction; Toy: by hand |" in text
    )
    assert "- [1] p. 1\n- [2] a \\| b\n" in text


def test_a_note_of_both_is_said_once():
    numbers = [number(model, 1, note="short prompts") for model in ("Toy", "Rival")]
    assert "| percent; short prompts |" in versus_markdown(versus(("Toy", "Rival"), numbers, []))


def test_measured_numbers_show_interval_and_n(tmp_path: Path):
    table = versus(("Toy", "Rival"), [], both(tmp_path))
    (pair,) = [pair for pair in table.measured if pair.metric == "accuracy"]
    assert (pair.first.value.value, pair.second.value.value) == (0.75, 0.5)
    assert (pair.first.value.n, pair.second.value.n) == (40, 30)
    assert pair.first.complete
    assert pair.note == ""
    low, high = (100 * end for end in (pair.first.value.low, pair.first.value.high))
    text = versus_markdown(table)
    assert f"| t | accuracy | 75.0 [{low:.1f}, {high:.1f}], n 40 | 50.0 [" in text
    assert "| task | metric | one | two | |" in text
    assert "Published" not in text


def test_an_incomplete_run_says_so(tmp_path: Path):
    whole = made(tmp_path, "whole", {"t": rows(share(3, 8))}, with_results=True)
    part = made(tmp_path, "part", {"t": rows([1.0, 0.0, None, 1.0])}, with_results=True)
    table = versus(("Toy", "Rival"), [], [whole, part])
    assert {(pair.first.complete, pair.second.complete) for pair in table.measured} == {
        (True, False)
    }
    (line,) = [one for one in versus_markdown(table).splitlines() if "| accuracy |" in one]
    assert line.endswith("| part is incomplete |")


def test_timings_of_two_machines_are_marked_and_nothing_else(tmp_path: Path):
    other = msgspec.structs.replace(ENVIRONMENT, cpu="B")
    table = versus(("Toy", "Rival"), [], both(tmp_path, environment=other))
    notes = {pair.metric: pair.note for pair in table.measured}
    assert notes["p50"] == notes["speed"] == "not comparable: two machines"
    assert notes["accuracy"] == notes["loss"] == ""
    assert versus_markdown(table).endswith("software: cpu A and B.\n\n")


def test_hours_between_two_runs_of_one_machine_are_no_obstacle(tmp_path: Path):
    table = versus(("Toy", "Rival"), [], both(tmp_path, created="2026-03-01T00:00:00+00:00"))
    assert table.timing == ""
    assert {pair.note for pair in table.measured} == {""}


def test_measured_pairs_of_two_protocols_say_so(tmp_path: Path):
    one = made(tmp_path, "one", {"t": rows(share(3, 8))}, with_results=True)
    two = made(tmp_path, "two", {"t": rows(share(3, 8))}, with_results=True, version="2")
    table = versus(("Toy", "Rival"), [], [one, two])
    assert {pair.note for pair in table.measured} == {"not comparable: two protocols"}


def test_what_one_run_lacks_is_a_dash(tmp_path: Path):
    one = made(tmp_path, "one", {"t": rows(share(3, 8))}, with_results=True)
    two = made(tmp_path, "two", {"u": rows(share(3, 8))}, with_results=True)
    table = versus(("Toy", "Rival"), [], [one, two])
    accuracy = [pair for pair in table.measured if pair.metric == "accuracy"]
    assert [(pair.task, pair.second is None, pair.first is None) for pair in accuracy] == [
        ("t", True, False),
        ("u", False, True),
    ]
    assert "n 8 | - |" in versus_markdown(table)


def test_one_run_is_no_pair(tmp_path: Path):
    with pytest.raises(ProtocolMismatchError, match="1 runs for two models"):
        versus(("Toy", "Rival"), [], both(tmp_path)[:1])


def test_versus_prints_cheers_beside_tar(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["versus"])
    assert not caught.value.code
    text = capsys.readouterr().out
    assert "| task | metric | Cheers | Tar-1.5B | |" in text
    assert "83,000,000, second-hand [1] | 403,000,000, second-hand [1] | count" in text
    assert "mmbench\\_en\\_dev" in text
    assert "55.33, third-party [2]" in text
    assert "55.13, third-party [2]" in text
    assert "Measured" not in text


def test_versus_as_json_has_the_sources(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["versus", "--format", "json"])
    assert not caught.value.code
    (first, *_) = json.loads(capsys.readouterr().out)["published"]
    assert first["first"]["source"] == first["second"]["source"]
    assert first["first"]["kind"] == "second-hand"
