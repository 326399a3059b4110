"""What lm-eval's tasks and language models cost here, against lm-eval's own way.

Run with `python -m pytest benchmarks/bench_lm_eval.py -m bench --benchmark-enable -s`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.ratios import compare
from tasks.lm_eval import finding
from tests.language import tiny

pytestmark = pytest.mark.bench


def test_a_task_is_found_without_the_index(benchmark: BenchmarkFixture):
    """One look at the text of 14,000 files against parsing them."""
    lm_eval_tasks = pytest.importorskip(
        "lm_eval.tasks", reason="pip install 'cheers-bench[lm-eval]'"
    )

    def found() -> None:
        finding.known_names.cache_clear()
        finding.find("arc_easy")

    ratio = compare(benchmark, found, lm_eval_tasks.TaskManager, rounds=3)
    print(f"\nlm-eval's index takes {ratio}")
    assert ratio.median > 5


def test_answer_letters_share_a_pass(benchmark: BenchmarkFixture, tmp_path: Path):
    """Four one-token choices behind one context, against the same as four requests' worth."""
    from model_adapters.continuation import Scored
    from model_adapters.hf_lm.loading import load
    from model_adapters.hf_lm.scoring import score

    folder = tiny.save(tmp_path, length=2048)
    lm = load(folder, dtype="float32", device="cpu", max_length=None)
    context = list(range(1, 400)) * 3
    shared = [Scored(context, [token]) for token in range(1, 5)]
    apart = [Scored([token, *context[1:]], [token]) for token in range(1, 5)]
    ratio = compare(benchmark, lambda: score(lm, shared, 4), lambda: score(lm, apart, 4), rounds=7)
    print(f"\nfour contexts take {ratio} one shared context")
    assert ratio.median > 2
