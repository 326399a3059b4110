"""DocVQA (Mathew et al. 2021) and InfographicVQA (Mathew et al. 2022): answers in documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.records import MetricSpec, Sample
from tasks.understanding.answer import AnswerScorer, AnswerTask
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published

__all__ = ["DocVQA", "InfoVQA"]

_STYLES = {
    "cheers": Style("cheers/short-answer.v1"),
    "vlmevalkit": Style("vlmevalkit/short-answer.v1"),
    "lmms-eval": Style("lmms-eval/short-answer.v1", 32),
}


def _anls(prediction: str, answers: Sequence[str], _: Sample) -> float:
    from tasks.scoring.ocr import anls

    return anls(prediction, answers)


def _anls_legacy(prediction: str, answers: Sequence[str], _: Sample) -> float:
    from tasks.scoring.ocr import anls

    return anls(prediction, answers, variant="legacy")


class _ANLSTask(AnswerTask):
    """Average normalised Levenshtein similarity, 0 below 0.5."""

    metric = MetricSpec(
        name="anls", score="score", description="Average normalised Levenshtein similarity."
    )
    scorers: ClassVar[Mapping[str, AnswerScorer]] = {
        "corrected": AnswerScorer("anls", "1", _anls),
        "legacy": AnswerScorer("anls/legacy", "open-compass/VLMEvalKit@e8e78f0", _anls_legacy),
    }


class DocVQA(_ANLSTask):
    """Questions on scanned pages."""

    benchmark = Benchmark(
        name="docvqa",
        summary="DocVQA val: questions on scanned pages, ANLS.",
        files=(published("DocVQA_VAL", "val", "unknown"),),
        citation="Mathew et al., DocVQA, WACV 2021 (arXiv 2007.00398).",
        styles=_STYLES,
    )


class InfoVQA(_ANLSTask):
    """Questions on infographics."""

    benchmark = Benchmark(
        name="infovqa",
        summary="InfographicVQA val: questions on infographics, ANLS.",
        files=(published("InfoVQA_VAL", "val", "unknown"),),
        citation="Mathew et al., InfographicVQA, WACV 2022 (arXiv 2104.12756).",
        styles=_STYLES,
    )
