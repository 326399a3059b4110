"""Every benchmark with a vision-language model of random weights: the whole way, no knowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.tiny_vlms import save_tiny_vlm
from tests.understanding.conftest import RunTask
from tests.understanding.synthetic import BENCHMARKS


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vlm(tmp_path_factory.mktemp("vlm"))


@pytest.mark.parametrize("task", sorted(BENCHMARKS))
def test_every_sample_gets_a_verdict(task: str, checkpoint: Path, run_task: RunTask):
    args = {"path": str(checkpoint), "device": "cpu"}
    ran = run_task(task, "hf-vlm", args=args, count=4, max_new_tokens=3)
    assert set(ran.verdicts) <= {"ok", "wrong", "unparsed"}, ran.reasons()
    assert ran.result.metrics[0].value is not None
    assert all(text is not None for text in ran.texts().values())


@pytest.mark.parametrize("task", ["mmbench", "mmstar"])
def test_options_are_ranked_by_log_likelihood(task: str, checkpoint: Path, run_task: RunTask):
    args = {"path": str(checkpoint), "device": "cpu"}
    ran = run_task(task, "hf-vlm", args=args, count=4, extraction="loglikelihood")
    assert set(ran.verdicts) <= {"ok", "wrong"}, ran.reasons()
