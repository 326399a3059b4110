"""`shapes-mmbench`: four-option questions, asked in every rotation of the options.

A question counts only if every rotation is answered right, which a model that prefers a letter
can't manage (MMBench, Liu et al. 2024). Answers are read by MMBench's rule as VLMEvalKit has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from harness.records import (
    Aggregation,
    AnswerRequest,
    Capability,
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

__all__ = ["ShapesMMBench"]

_CATEGORIES = ("color", "shape", "count", "position", "existence")
_DECODING = TextDecoding(max_new_tokens=16)


class ShapesMMBench(Task):
    """Questions on colour, shape, count, position and existence, in circular form."""

    metadata = TaskMetadata(
        name="shapes-mmbench",
        summary="Four-option questions over shapes in circular form, MMBench's scoring rule.",
        version=1,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT,),
        dataset=world_dataset("mcq"),
        metrics=(
            MetricSpec(
                name="circular",
                score="correct",
                aggregation=Aggregation.ALL_IN_CLUSTER,
                description="Questions with every rotation right; chance is 1/256.",
            ),
            MetricSpec(
                name="accuracy", score="correct", description="Right askings; chance is 1/4."
            ),
            *(
                MetricSpec(
                    name=f"accuracy_{name}",
                    score="correct",
                    category=name,
                    description=f"Right askings among questions on {name}.",
                )
                for name in _CATEGORIES
            ),
        ),
        protocol_id="shapes-mmbench/v1",
        citation=f"{CITATION} Form and rule: Liu et al., MMBench, ECCV 2024.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"questions": 250}

    def samples(self) -> Iterator[Sample]:
        """`questions` questions, categories taking turns, four rotations of each."""
        from tasks.shapes.world import LETTERS, mcq_sample, rotations

        for index in range(self.whole("questions", 1)):
            turned = rotations(mcq_sample(DATA_SEED, SPLIT, index))
            for k, asking in enumerate(turned):
                yield Sample(
                    id=f"{index:05d}",
                    k=k,
                    category=asking.category,
                    target=LETTERS[asking.answer],
                    data={"question": asking.question, "options": list(asking.options)},
                )

    def request(self, sample: Sample, seed: int) -> AnswerRequest:
        """Picture, question and lettered options."""
        from tasks.shapes.world import format_mcq, mcq_sample

        scene = mcq_sample(DATA_SEED, SPLIT, int(sample.id)).scene
        options: Any = sample.data["options"]
        return AnswerRequest(
            prompt=format_mcq(str(sample.data["question"]), tuple(options)),
            images=(picture(scene),),
            decoding=_DECODING,
            seed=seed,
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Read a letter, or an option's text, off the answer."""
        from tasks.scoring.mmbench import can_infer
        from tasks.shapes.world import LETTERS

        options: Any = sample.data["options"]
        said = can_infer(response.text or "", dict(zip(LETTERS, options, strict=True)))
        if said is None:
            return Outcome(
                verdict=Verdict.UNPARSED,
                reason="no option can be read off the answer",
                scores={"correct": 0.0},
            )
        right = said == sample.target
        return Outcome(
            verdict=Verdict.OK if right else Verdict.WRONG,
            reason="" if right else f"chose {said}, right is {sample.target}",
            scores={"correct": float(right)},
            details={"chosen": said},
        )

    def scorer(self) -> Identity:
        """MMBench's exact matching; what can't be read scores 0 and is counted apart."""
        return Identity(id="mmbench-exact-matching", version="open-compass/VLMEvalKit@e8e78f0")

    def prompt_template(self) -> str:
        """Question, then one lettered option a line."""
        return "{question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}"

    def repeats(self) -> int:
        """Rotations of a question."""
        return 4

    def decoding(self) -> Mapping[str, JsonValue]:
        """Greedy, at most 16 tokens."""
        return {"temperature": 0.0, "max_new_tokens": _DECODING.max_new_tokens}
