"""MMMU (Yue et al. 2024): college questions with up to seven pictures, some without options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.errors import DataError, SpecError
from harness.records import Identity, JsonValue, Outcome, Response, Sample, Verdict
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import ChoiceTask
from tasks.understanding.files import published
from tasks.understanding.readers import LIKELIHOOD

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.data import Row

__all__ = ["MMMU"]

_MARKER = re.compile(r"<image (\d)>")
_OPEN_RULES = {
    "mmmu": "parse_open_response and eval_open of EvolvingLMMs-Lab/lmms-eval@75571cf, corrected",
    "lmms-eval": "EvolvingLMMs-Lab/lmms-eval@75571cf: eval_open of the first text's characters",
    "vlmevalkit": "open-compass/VLMEvalKit@e8e78f0: the answer is option A, anything else B",
}


class MMMU(ChoiceTask):
    """The validation split: multiple choice, and open questions by the rule `open_answers`.

    In the prompts of CHEERS and VLMEvalKit a marker `<image 1>` says which picture stands there
    and leaves the text; the pictures come in that order, once for every marker.
    """

    benchmark = Benchmark(
        name="mmmu",
        summary="MMMU val: 900 college questions with several pictures.",
        files=(published("MMMU_DEV_VAL", "dev and validation", "Apache-2.0"),),
        citation="Yue et al., MMMU: A Massive Multi-discipline Multimodal Understanding and "
        "Reasoning Benchmark for Expert AGI, CVPR 2024 (arXiv 2311.16502).",
        styles={
            "cheers": Style("cheers/mmmu.v1", keeps_markers=False),
            "vlmevalkit": Style("vlmevalkit/choice.v1", keeps_markers=False),
            "lmms-eval": Style("lmms-eval/mmmu.v1", 128),
        },
        levels=("l2-category", "category"),
        columns=("index", "question", "answer", "split"),
    )
    kind_options: ClassVar[Mapping[str, JsonValue]] = {
        **ChoiceTask.kind_options,
        "split": "validation",
        "open_answers": "mmmu",
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self.one_of("open_answers", _OPEN_RULES)
        if self.options["extraction"] == LIKELIHOOD:
            raise SpecError(
                "mmmu: extraction=loglikelihood ranks options, and some questions have none",
                "choose an extraction that reads answers",
            )

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Multiple choice as elsewhere; open answers by their rule."""
        rule = str(self.options["open_answers"])
        by_text = rule != "vlmevalkit"
        closed = [
            i
            for i, (sample, _) in enumerate(pairs)
            if not _is_open(sample) or (not by_text and _accepted(sample))
        ]
        found = dict(
            zip(closed, super().score_batch([_closed(*pairs[i]) for i in closed]), strict=True)
        )
        return [
            found[i] if i in found else _score_open(*pair, legacy=rule == "lmms-eval")
            for i, pair in enumerate(pairs)
        ]

    def scorer(self) -> Identity:
        """The policy that reads letters, and the rule for open answers."""
        rule = str(self.options["open_answers"])
        return msgspec.structs.replace(
            super().scorer(), settings={"open_answers": f"{rule}: {_OPEN_RULES[rule]}"}
        )

    def _takes(self, row: Row) -> bool:
        return row["split"] == self.options["split"]

    def _sample(self, row: Row) -> Sample:
        plain = super()._sample(row)
        if plain.data["options"]:
            return plain
        return msgspec.structs.replace(plain, data={**plain.data, "open": True})

    def _placed(self, prompt: str, images: tuple[Image, ...]) -> tuple[str, tuple[Image, ...]]:
        numbers = [int(digit) for digit in _MARKER.findall(prompt)]
        if not numbers:
            return prompt, images
        if max(numbers) > len(images) or not min(numbers):
            raise DataError(
                f"the question speaks of <image {max(numbers)}>, but its row has {len(images)} "
                "pictures",
                "correct the row of the data file",
            )
        if self._style.keeps_markers:
            return prompt, tuple(images[number - 1] for number in sorted(set(numbers)))
        return _MARKER.sub("", prompt), tuple(images[number - 1] for number in numbers)


def _is_open(sample: Sample) -> bool:
    return bool(sample.data.get("open"))


def _accepted(sample: Sample) -> list[str]:
    """Accepted answers of an open question; empty texts are none."""
    from tasks.scoring.vqa import parse_answer_cell

    return [text for answer in parse_answer_cell(str(sample.target)) if (text := str(answer))]


def _closed(sample: Sample, response: Response) -> tuple[Sample, Response]:
    """An open question as VLMEvalKit sees it: its answer is option A, anything else option B."""
    if not _is_open(sample):
        return sample, response
    options: dict[str, JsonValue] = {"A": str(sample.target), "B": "Other Answers"}
    data = {**sample.data, "options": options}
    return msgspec.structs.replace(sample, target="A", data=data), response


def _score_open(sample: Sample, response: Response, *, legacy: bool) -> Outcome:
    from tasks.scoring.mmmu import score_open

    text, answers = response.text or "", _accepted(sample)
    if not answers:
        return Outcome(
            verdict=Verdict.JUDGE_FAILED,
            reason=f"row {sample.data['row']} of the data has no accepted answer",
        )
    if not text.strip():
        return Outcome(verdict=Verdict.UNPARSED, reason="nothing was said", scores={"correct": 0.0})
    right = score_open(text, answers, "lmms_eval" if legacy else "corrected")
    return Outcome(
        verdict=Verdict.OK if right else Verdict.WRONG,
        reason="" if right else f"accepted: {', '.join(answers)}",
        scores={"correct": float(right)},
    )
