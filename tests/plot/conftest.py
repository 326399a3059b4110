"""Runs with scores, categories and costs that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest

from harness.adapter import ModelAdapter
from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    Direction,
    Fingerprint,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    ModelCard,
    Outcome,
    Request,
    Response,
    Sample,
    TaskMetadata,
    Timing,
    Usage,
    Verdict,
)
from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.task import Task

MakeRun: TypeAlias = Callable[..., Path]

SKILLS = ("colours", "counting", "position")


class Skills(Task):
    """Twelve questions in three categories; the answer is its score."""

    metadata = TaskMetadata(
        name="skills",
        summary="A toy.",
        version=1,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(name="toy", revision="1", split="test", licence="CC0-1.0"),
        metrics=(
            MetricSpec(name="accuracy", score="s"),
            *(MetricSpec(name=name, score="s", category=name) for name in SKILLS),
            MetricSpec(name="length", score="n", high=None, direction=Direction.NEITHER),
        ),
        protocol_id="skills/v1",
        citation="none",
    )
    defaults: ClassVar[Mapping[str, JsonValue]] = {"skills": 3}

    def samples(self) -> Iterator[Sample]:
        for n in range(12):
            yield Sample(id=f"{n:02d}", category=SKILLS[n % self.whole("skills")], data={"n": n})

    def request(self, sample: Sample, seed: int) -> Request:
        return AnswerRequest(prompt=str(sample.data["n"]), seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        right = response.text == "1"
        verdict = Verdict.OK if right else Verdict.WRONG
        return Outcome(verdict=verdict, scores={"s": float(right), "n": 3.0})

    def scorer(self) -> Identity:
        return Identity(id="toy", version="1")

    def prompt_template(self) -> str:
        return "{n}"


class Lengths(Skills):
    """A task whose primary metric is no fraction."""

    metadata = TaskMetadata(
        **{
            **{name: getattr(Skills.metadata, name) for name in Skills.metadata.__struct_fields__},
            "name": "lengths",
            "metrics": (Skills.metadata.metrics[-1],),
        }
    )


class Known(ModelAdapter):
    """Right on the first `right` questions; every response costs the same."""

    card = ModelCard(
        name="known",
        summary="A toy.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="CC0-1.0",
        source="tests",
    )

    def __init__(self, right: int, seconds: float, nfe: int | None, weights: str) -> None:
        self.right, self.seconds, self.nfe, self.weights = right, seconds, nfe, weights

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="known",
            adapter="tests:Known",
            code_version="1",
            weights_sha256=self.weights,
            config={},
            defaults={},
            dtype="float32",
            device="cpu",
        )

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        timing = Timing(total_s=self.seconds * len(requests), batch_size=len(requests))
        return [
            Response(
                text=str(int(int(r.prompt) < self.right)), timing=timing, usage=Usage(nfe=self.nfe)
            )
            for r in requests
        ]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    before = (dict(tasks()._added), dict(models()._added))
    for task in (Skills, Lengths):
        tasks().add(task.metadata.name, task)
    yield
    tasks()._added, models()._added = before


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Run the toy model; each call is another run."""
    count = iter(range(100))

    def make(
        right: int = 6,
        *,
        seconds: float = 1.0,
        nfe: int | None = 10,
        weights: str = "w",
        label: str | None = None,
        names: Sequence[str] = ("skills",),
        **fields: Any,
    ) -> Path:
        number = next(count)
        models()._added["known"] = lambda: Known(right, seconds, nfe, weights)  # type: ignore[assignment]
        spec = RunSpec(
            tasks=tuple(TaskRef(task=name) for name in names),
            model=ModelRef(name="known", label=label or f"run {number}"),
            out=str(tmp_path / f"run{number}"),
            **fields,
        )
        execute(spec)
        return Path(spec.out)

    return make
