"""SEED-Bench, its questions on single pictures (Li et al. 2023)."""

from __future__ import annotations

from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import ChoiceTask
from tasks.understanding.files import published

__all__ = ["SEEDBench"]


class SEEDBench(ChoiceTask):
    """14,232 questions on nine skills."""

    benchmark = Benchmark(
        name="seedbench",
        summary="SEED-Bench (image): 14,232 questions on nine skills.",
        files=(published("SEEDBench_IMG", "test", "CC-BY-NC-4.0"),),
        citation="Li et al., SEED-Bench: Benchmarking Multimodal LLMs with Generative "
        "Comprehension, 2023 (arXiv 2307.16125).",
        styles={
            "cheers": Style("cheers/choice.v1"),
            "vlmevalkit": Style("vlmevalkit/choice.v1"),
            "lmms-eval": Style("lmms-eval/choice.v1", 16),
        },
        levels=("category",),
    )
