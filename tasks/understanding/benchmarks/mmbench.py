"""MMBench (Liu et al. 2024): every question in all rotations of its options."""

from __future__ import annotations

from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import CircularTask
from tasks.understanding.files import published

__all__ = ["MMBench"]

_SPLITS = (
    "DEV_EN_V11", "DEV_CN_V11", "TEST_EN_V11", "TEST_CN_V11",
    "DEV_EN", "DEV_CN", "TEST_EN", "TEST_CN",
)  # fmt: skip


class MMBench(CircularTask):
    """Version 1.1 in English first; other versions, languages and splits by `dataset`."""

    benchmark = Benchmark(
        name="mmbench",
        summary="MMBench, DEV EN v1.1: four rotations of every question, circular accuracy.",
        files=tuple(published(f"MMBench_{s}", s.lower(), "Apache-2.0") for s in _SPLITS),
        citation="Liu et al., MMBench: Is Your Multi-modal Model an All-around Player?, ECCV 2024 "
        "(arXiv 2307.06281).",
        styles={
            "cheers": Style("cheers/choice.v1"),
            "vlmevalkit": Style("vlmevalkit/choice.v1"),
            "lmms-eval": Style("lmms-eval/mmbench.v1"),
        },
        levels=("l2-category", "category"),
    )
