"""A model that knows the right response to every request of given tasks, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.adapter import ModelAdapter
from harness.records import Capability, Fingerprint, ModelCard, Response
from harness.task import Task
from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
from tasks.shapes.world import edit_sample, generation_sample


class Oracle(ModelAdapter):
    """Looks requests up by what a model sees of them: prompt and pictures."""

    card = ModelCard(
        name="oracle",
        summary="Knows the answers.",
        capabilities=frozenset(
            {
                Capability.ANSWER,
                Capability.GENERATE_IMAGE,
                Capability.EDIT_IMAGE,
                Capability.RECONSTRUCT,
            }
        ),
        licence="Apache-2.0",
        source="test",
        control=True,
    )

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._known: dict[Any, Any] = {}
        for task in tasks:
            capability = next(iter(task.metadata.requires))
            for sample in task.samples():
                self._learn(capability, task.request(sample, 0), sample)

    def _learn(self, capability: Capability, request: Any, sample: Any) -> None:
        index = int(sample.id) if sample.id.isdigit() else 0
        if capability is Capability.ANSWER:
            self._known[_seen(request)] = str(sample.target)
        elif capability is Capability.GENERATE_IMAGE:
            self._known[_seen(request)] = generation_sample(DATA_SEED, SPLIT, index).scene
        elif capability is Capability.EDIT_IMAGE:
            self._known[_seen(request)] = edit_sample(DATA_SEED, SPLIT, index).target

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="oracle",
            adapter="tests.tasks.oracle:Oracle",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="none",
            device="cpu",
        )

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(text=self._known[_seen(request)]) for request in requests]

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(image=picture(self._known[_seen(request)])) for request in requests]

    def edit_image(self, requests: Sequence[Any]) -> list[Response]:
        return self.generate_image(requests)

    def reconstruct(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(image=request.image) for request in requests]


def _seen(request: Any) -> tuple[str, ...]:
    images = getattr(request, "images", None) or filter(None, [getattr(request, "image", None)])
    return (request.prompt, *(image.tobytes().hex() for image in images))
