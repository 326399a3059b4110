"""Ways to answer a task: perfectly, badly, and with hostility."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from PIL import Image

from harness.aggregate import aggregate
from harness.records import Outcome, Response, Sample, ScoredSample, TaskResult
from harness.task import Task

Answer = Callable[[Sample], Response]


def scored(task: Task, answer: Answer, limit: int | None = None) -> Iterator[ScoredSample]:
    """Score a task's samples under an answering rule."""
    for sample in islice(task.samples(), limit):
        yield ScoredSample(sample=sample, outcome=task.score(sample, answer(sample)))


def result_of(task: Task, answer: Answer, limit: int | None = None) -> TaskResult:
    return aggregate(task.metadata, scored(task, answer, limit), task.protocol(0, limit))


def values_of(result: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in result.metrics}


def saying(text: str) -> Answer:
    return lambda sample: Response(text=text)


def showing(image: Image.Image) -> Answer:
    return lambda sample: Response(image=image)


def outcome_of(task: Task, response: Response) -> Outcome:
    """Score one response to the task's first sample."""
    return task.score(next(iter(task.samples())), response)
