"""`shapes-ocr`: read a rendered word that never occurs in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from harness.records import (
    AnswerRequest,
    Capability,
    Direction,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    TextDecoding,
    Verdict,
)
from harness.task import Task
from tasks.shapes.dataset import CITATION, DATA_SEED, SPLIT, picture, world_dataset

__all__ = ["ShapesOCR"]

_DECODING = TextDecoding(max_new_tokens=16)


class ShapesOCR(Task):
    """Words of three letters: exact match, character error rate, containment."""

    metadata = TaskMetadata(
        name="shapes-ocr",
        summary="Read rendered words: exact match, character error rate, containment.",
        version=1,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT,),
        dataset=world_dataset("word"),
        metrics=(
            MetricSpec(
                name="exact",
                score="exact",
                description="Answers equal to the word, case and outer space aside.",
            ),
            MetricSpec(
                name="cer",
                score="cer",
                direction=Direction.LOWER,
                high=None,
                description="Character error rate: edits per character; above 1 if it babbles.",
            ),
            MetricSpec(
                name="contained",
                score="contained",
                description="Answers that contain the word, OCRBench's rule.",
            ),
        ),
        protocol_id="shapes-ocr/v1",
        citation=CITATION,
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"words": 200}

    def samples(self) -> Iterator[Sample]:
        """`words` pictures; a word may occur in several, which are one cluster."""
        from tasks.shapes.world import word_sample

        for index in range(self.whole("words", 1)):
            answer = word_sample(DATA_SEED, SPLIT, index).answer
            yield Sample(id=f"{index:05d}", cluster=answer, target=answer)

    def request(self, sample: Sample, seed: int) -> AnswerRequest:
        """Picture and question."""
        from tasks.shapes.world import word_sample

        drawn = word_sample(DATA_SEED, SPLIT, int(sample.id))
        return AnswerRequest(
            prompt=drawn.question, images=(picture(drawn.scene),), decoding=_DECODING, seed=seed
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Compare with the word; an empty answer is unparsed."""
        from tasks.scoring.ocr import character_error_rate, exact_match, ocrbench_correct

        said, word = (response.text or "").strip(), str(sample.target)
        exact = exact_match(said, [word])
        contained = ocrbench_correct(said, [word], "Regular Text Recognition", "vlmevalkit")
        scores = {
            "exact": float(exact),
            "cer": character_error_rate(said.upper(), word),
            "contained": float(contained),
        }
        if not said:
            return Outcome(verdict=Verdict.UNPARSED, reason="the answer is empty", scores=scores)
        return Outcome(
            verdict=Verdict.OK if exact else Verdict.WRONG,
            reason="" if exact else f"the word is {word}",
            scores=scores,
        )

    def scorer(self) -> Identity:
        """Exact match; containment as OCRBench in VLMEvalKit."""
        return Identity(id="ocr-exact-cer-containment", version="1")

    def prompt_template(self) -> str:
        """The world's question."""
        return "what is written in the image?"

    def decoding(self) -> Mapping[str, JsonValue]:
        """Greedy, at most 16 tokens."""
        return {"temperature": 0.0, "max_new_tokens": _DECODING.max_new_tokens}
