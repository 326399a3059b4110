"""RealWorldQA (xAI 2024): questions on photographs, many from vehicles."""

from __future__ import annotations

from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import ChoiceTask
from tasks.understanding.files import published

__all__ = ["RealWorldQA"]


class RealWorldQA(ChoiceTask):
    """765 questions, all of them with options."""

    benchmark = Benchmark(
        name="realworldqa",
        summary="RealWorldQA: 765 questions on photographs.",
        files=(published("RealWorldQA", "test", "CC-BY-ND-4.0"),),
        citation="xAI, Grok-1.5 Vision Preview, 2024, https://x.ai/news/grok-1.5v.",
        styles={
            "cheers": Style("cheers/choice.v1"),
            "vlmevalkit": Style("vlmevalkit/choice.v1"),
            "lmms-eval": Style("lmms-eval/realworldqa.v1", 16),
        },
    )
