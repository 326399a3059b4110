"""The suite `generation` from one command line; judges come with the options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.ledger import Ledger, read_manifest
from tests.dpg.toys import write_questions

_RUN = ("run", "--suite", "generation", "--model", "cheers-nano", "--model-arg", "steps=4")
GENEVAL = {
    "tag": "colors",
    "include": [{"class": "circle", "count": 1, "color": "red"}],
    "prompt": "a photo of a red circle",
}
GENEVAL2 = {
    "prompt": "a photo of a red circle",
    "atom_count": 1,
    "vqa_list": [["is there a red circle?", "yes"]],
    "skills": ["object"],
}


def _options(folder: Path) -> list[str]:
    (folder / "geneval.jsonl").write_text(json.dumps(GENEVAL) + "\n")
    (folder / "geneval2.jsonl").write_text(json.dumps(GENEVAL2) + "\n")
    pairs = (
        f"geneval.prompts={folder / 'geneval.jsonl'}",
        "geneval.detector=classical",
        "geneval.color_judge=classical",
        f"dpg-bench.questions={write_questions(folder / 'dpg.csv')}",
        "dpg-bench.judge=cheers-nano",
        "dpg-bench.judge_args={dtype: float32}",
        f"geneval2.prompts={folder / 'geneval2.jsonl'}",
        "geneval2.judge=cheers-nano",
        "text-rendering.engine=classical",
        "text-rendering.world=shapes",
        "text-rendering.prompts=1",
        "text-rendering.images=2",
        "ocr-roundtrip.engine=classical",
        "ocr-roundtrip.world=shapes",
    )
    return [part for pair in pairs for part in ("--task-option", pair)]


def test_one_command_gives_all_benchmarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    with pytest.raises(SystemExit) as caught:
        main([*_RUN, "--out", str(run), *_options(tmp_path)])
    assert not caught.value.code
    table = capsys.readouterr().out
    with Ledger.open(run) as ledger:
        results = {result.task: result for result in ledger.results()}
        for task in results:
            outcomes = [row.outcome for row in ledger.scored(task)]
            assert all(outcome.verdict in ("ok", "wrong", "judge_failed") for outcome in outcomes)
    assert {name: r.total for name, r in results.items()} == {
        "geneval": 4,
        "dpg-bench": 8,
        "geneval2": 1,
        "text-rendering": 2,
        "ocr-roundtrip": 60,
    }
    assert all(name in table for name in results)
    for plan in read_manifest(run).tasks:
        assert plan.protocol.judge is not None
        assert plan.protocol.dataset.sha256
