"""TextVQA (Singh et al. 2019): questions whose answer is written in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.errors import DataError
from harness.records import JsonValue, MetricSpec, Protocol, Sample
from tasks.understanding.answer import AnswerScorer, AnswerTask
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published

if TYPE_CHECKING:
    from harness.data import Row

__all__ = ["TextVQA"]


def _accuracy(prediction: str, answers: Sequence[str], _: Sample) -> float:
    from tasks.scoring.vqa import vqa_accuracy

    return vqa_accuracy(prediction, answers)


def _accuracy_lmms_eval(prediction: str, answers: Sequence[str], _: Sample) -> float:
    from tasks.scoring.vqa import vqa_accuracy

    return vqa_accuracy(prediction, answers, "lmms_eval")


class TextVQA(AnswerTask):
    """VQA accuracy against ten annotators.

    With `ocr_tokens` the prompt names the text that an OCR system read: another protocol.
    """

    benchmark = Benchmark(
        name="textvqa",
        summary="TextVQA val: questions on text in photographs, VQA accuracy.",
        files=(published("TextVQA_VAL", "val", "CC-BY-4.0"),),
        citation="Singh et al., Towards VQA Models That Can Read, CVPR 2019 (arXiv 1904.08920).",
        styles={
            "cheers": Style("cheers/short-answer.v1"),
            "vlmevalkit": Style("vlmevalkit/short-answer.v1"),
            "lmms-eval": Style("lmms-eval/textvqa.v1"),
        },
    )
    counts_empty_answers = True  # the accuracy is a mean over all annotators
    metric = MetricSpec(
        name="accuracy", score="score", description="VQA accuracy: a third for each agreement."
    )
    scorers: ClassVar[Mapping[str, AnswerScorer]] = {
        "vlmevalkit": AnswerScorer("vqa-accuracy", "open-compass/VLMEvalKit@e8e78f0", _accuracy),
        "lmms-eval": AnswerScorer(
            "vqa-accuracy", "EvolvingLMMs-Lab/lmms-eval@75571cf", _accuracy_lmms_eval
        ),
    }
    kind_options: ClassVar[Mapping[str, JsonValue]] = {
        **AnswerTask.kind_options,
        "ocr_tokens": False,
    }

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol; its name says whether OCR tokens are in the prompt."""
        plain = super().protocol(seed, limit)
        if not self.options["ocr_tokens"]:
            return plain
        return msgspec.structs.replace(plain, id=f"{plain.id}+ocr-tokens")

    def preflight(self) -> None:
        """As `TableTask.preflight`, and the file must have the tokens if they're asked for."""
        super().preflight()
        if self.options["ocr_tokens"]:
            self._table.require("ocr_tokens")
            if self.options["prompt"] != "lmms-eval":
                raise DataError(
                    f"textvqa: prompt {self.options['prompt']!r} has no place for OCR tokens",
                    "give textvqa.prompt=lmms-eval, which has, or textvqa.ocr_tokens=false",
                )

    def _common(self, row: Row) -> dict[str, JsonValue]:
        if not self.options["ocr_tokens"]:
            return super()._common(row)
        from tasks.scoring.vqa import parse_answer_cell

        value = row.value("ocr_tokens")
        tokens = value if isinstance(value, list) else parse_answer_cell(row["ocr_tokens"])
        return {**super()._common(row), "ocr_tokens": [str(token) for token in tokens]}
