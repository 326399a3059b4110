"""A task of any number of trivial samples, to measure what is around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from harness import Task
from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    Identity,
    MetricSpec,
    Modality,
    Outcome,
    Request,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
)


class CountingTask(Task):
    """Four-option questions whose right answer goes round."""

    metadata = TaskMetadata(
        name="counting",
        summary="Trivial questions, as many as wanted.",
        version=1,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(name="counting", revision="1", split="test", licence="CC0-1.0"),
        metrics=(MetricSpec(name="accuracy", score="accuracy"),),
        protocol_id="counting/v1",
        citation="none",
    )
    defaults: ClassVar[dict[str, Any]] = {"samples": 1000}

    def samples(self) -> Iterator[Sample]:
        for i in range(self.options["samples"]):
            yield Sample(id=f"q{i}", category=str(i % 10), target="ABCD"[i % 4], data={"i": i})

    def request(self, sample: Sample, seed: int) -> Request:
        return AnswerRequest(prompt=f"Question {sample.data['i']}: A, B, C or D?", seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        right = response.text == sample.target
        verdict = Verdict.OK if right else Verdict.WRONG
        return Outcome(verdict=verdict, scores={"accuracy": float(right)})

    def scorer(self) -> Identity:
        return Identity(id="exact", version="1")

    def prompt_template(self) -> str:
        return "Question {i}: A, B, C or D?"


def counting_run(folder: Path, samples: int) -> Path:
    """Run the null model on it."""
    from harness.registry import tasks
    from harness.run import execute
    from harness.runspec import ModelRef, RunSpec, TaskRef

    if "counting" not in tasks():
        tasks().add("counting", CountingTask)
    execute(
        RunSpec(
            tasks=(TaskRef(task="counting", options={"samples": samples}),),
            model=ModelRef(name="null"),
            out=str(folder),
        )
    )
    return folder
