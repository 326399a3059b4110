"""AI2D (Kembhavi et al. 2016): questions on diagrams of school books."""

from __future__ import annotations

from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import ChoiceTask
from tasks.understanding.files import published

__all__ = ["AI2D"]


class AI2D(ChoiceTask):
    """3,088 questions; the labels of a diagram are masked, or not (`AI2D_TEST_NO_MASK`)."""

    benchmark = Benchmark(
        name="ai2d",
        summary="AI2D test: 3,088 questions on diagrams.",
        files=(
            published("AI2D_TEST", "test", "unknown"),
            published("AI2D_TEST_NO_MASK", "test, labels shown", "unknown"),
        ),
        citation="Kembhavi et al., A Diagram Is Worth a Dozen Images, ECCV 2016 "
        "(arXiv 1603.07396).",
        styles={
            "cheers": Style("cheers/choice.v1"),
            "vlmevalkit": Style("vlmevalkit/choice.v1"),
            "lmms-eval": Style("lmms-eval/choice.v1", 16),
        },
        levels=("category",),
    )
