"""ScienceQA (Lu et al. 2022): school questions, those with a picture."""

from __future__ import annotations

from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import ChoiceTask
from tasks.understanding.files import published

__all__ = ["ScienceQA"]


class ScienceQA(ChoiceTask):
    """Rows without a picture are left out, as VLMEvalKit does."""

    benchmark = Benchmark(
        name="scienceqa",
        summary="ScienceQA test, questions with a picture.",
        files=(
            published("ScienceQA_TEST", "test", "CC-BY-NC-SA-4.0"),
            published("ScienceQA_VAL", "val", "CC-BY-NC-SA-4.0"),
        ),
        citation="Lu et al., Learn to Explain: Multimodal Reasoning via Thought Chains for Science "
        "Question Answering, NeurIPS 2022 (arXiv 2209.09513).",
        styles={
            "cheers": Style("cheers/choice.v1"),
            "vlmevalkit": Style("vlmevalkit/choice.v1"),
            "lmms-eval": Style("lmms-eval/scienceqa.v1", 16),
        },
        levels=("category",),
        skips_rows_without_picture=True,
    )
