"""Every benchmark, end to end on data in its own format."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.ledger import read_manifest
from harness.records import Capability
from harness.registry import suites, tasks
from tests.understanding.answering import Answering
from tests.understanding.conftest import RunTask
from tests.understanding.synthetic import BENCHMARKS, write_benchmark, write_rows

NAMES = sorted(BENCHMARKS)

SAMPLES = {"mmbench": 32, "mme": 56, "pope": 16, "mmmu": 7, "scienceqa": 7}
"""Samples of eight questions, where they aren't eight."""

FULL = {"mme": 2800.0, "ocrbench": 8.0}
"""The primary metric of a model that knows everything, where it isn't 1."""


def test_the_suite_has_every_benchmark():
    assert sorted(entry.task for entry in suites().get("understanding").entries) == NAMES


@pytest.mark.parametrize("task", NAMES)
def test_who_knows_everything_scores_full(task: str, run_task: RunTask):
    ran = run_task(task)
    assert ran.verdicts == {"ok": SAMPLES.get(task, 8)}, ran.reasons()
    assert ran.result.metrics[0].value == pytest.approx(FULL.get(task, 1.0))
    low, high = ran.result.metrics[0].low, ran.result.metrics[0].high
    assert low is not None
    assert high is not None
    assert low <= FULL.get(task, 1.0) <= high + 1e-9


@pytest.mark.parametrize("task", NAMES)
def test_who_says_nothing_is_unparsed_not_wrong(task: str, run_task: RunTask):
    ran = run_task(task, Answering(lambda task, sample: "  "))
    assert ran.verdicts == {"unparsed": SAMPLES.get(task, 8)}
    assert ran.result.metrics[0].value == 0
    assert all(ran.reasons().values())


@pytest.mark.parametrize("task", NAMES)
def test_hostile_answers_get_a_verdict(task: str, run_task: RunTask):
    hostile = (
        "\x00\x07",
        "\u202eB\u202c A",
        "A" * 200_000,
        "\ud800".encode("utf-8", "replace").decode(),
    )

    def say(_: str, sample: object) -> str:
        return hostile[int(str(getattr(sample, "id", 0))) % len(hostile)]

    ran = run_task(task, Answering(say))
    assert set(ran.verdicts) <= {"ok", "wrong", "unparsed"}


@pytest.mark.parametrize("task", NAMES)
def test_the_protocol_names_data_prompt_and_scorer(task: str, run_task: RunTask, tmp_path: Path):
    ran = run_task(task)
    (plan,) = read_manifest(ran.folder).tasks
    protocol, file = plan.protocol, tasks().get(task).metadata.files[0]
    assert protocol.dataset.name == f"{file.name}-file"
    assert protocol.dataset.sha256
    assert protocol.id.startswith(f"{file.name}-file/cheers")
    assert "sha256:" in protocol.prompt_template
    assert protocol.scorer.version
    assert "file" not in protocol.options
    assert str(tmp_path) not in repr(protocol)


@pytest.mark.parametrize("task", NAMES)
def test_metadata_is_what_a_reader_needs(task: str):
    metadata = tasks().get(task).metadata
    assert metadata.requires == {Capability.ANSWER}
    assert metadata.files
    assert all(file.md5 and file.urls[0].startswith("https://") for file in metadata.files)
    assert "arXiv" in metadata.citation or "http" in metadata.citation
    assert metadata.dataset.name == metadata.files[0].name


@pytest.mark.parametrize("task", NAMES)
def test_another_prompt_is_another_protocol(task: str, tmp_path: Path):
    kind = tasks().get(task)
    file = str(write_benchmark(task, tmp_path))
    styles = kind.benchmark.styles  # type: ignore[attr-defined]
    hashes = {kind({"file": file, "prompt": style}).protocol(0).hash for style in styles}
    assert len(hashes) == len(styles) >= 2


@pytest.mark.parametrize("task", NAMES)
def test_categories_come_with_intervals(task: str, run_task: RunTask):
    ran = run_task(task)
    levels = tasks().get(task).benchmark.levels  # type: ignore[attr-defined]
    found = ran.result.extra.get("categories", {})
    assert set(found) <= set(levels)  # type: ignore[arg-type]
    for groups in found.values():  # type: ignore[union-attr]
        for value in groups.values():
            assert value["n"] > 0
            if value["n"] > 1:  # one sample alone has no interval
                assert value["low"] <= value["value"] <= value["high"] + 1e-9


@pytest.mark.parametrize("task", ["chartqa", "docvqa", "ocrbench", "textvqa"])
def test_a_default_that_is_spelt_out_is_the_same_protocol(task: str, tmp_path: Path):
    kind, file = tasks().get(task), str(write_benchmark(task, tmp_path))
    first, second = kind.scorers  # type: ignore[attr-defined]

    def protocol(**options: object) -> str:
        return kind({"file": file, **options}).protocol(0).hash  # type: ignore[dict-item]

    assert protocol() == protocol(scorer=first) == protocol(max_new_tokens=1024)
    assert len({protocol(), protocol(scorer=second), protocol(max_new_tokens=7)}) == 3


def test_an_empty_answer_is_an_annotators_where_annotators_count(run_task: RunTask, tmp_path: Path):
    """VQA accuracy is a mean over ten annotators; ANLS and others take the best answer."""
    rows = [{**row, "answer": str(["exit"] * 3 + [""] * 7)} for row in BENCHMARKS["textvqa"](1)]
    file = write_rows(tmp_path / "t.tsv", rows)
    ran = run_task("textvqa", Answering(lambda task, sample: "exit"), file=file)
    assert ran.values["accuracy"] == pytest.approx((3 * (2 / 3) + 7 * 1) / 10)
    file = write_rows(tmp_path / "d.tsv", [{**rows[0], "answer": "['', 'exit']"}])
    ran = run_task("docvqa", Answering(lambda task, sample: ""), file=file)
    assert ran.verdicts == {"unparsed": 1}
