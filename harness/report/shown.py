"""Pictures that a model was shown. Runs don't store them; the task makes them again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.ledger import Entry, Ledger
from harness.records import Modality, Request, TaskPlan
from harness.report.pictures import PictureStore

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.task import Task

__all__ = ["ShownPictures"]


class ShownPictures:
    """Rebuilds the requests of a task and takes their pictures into the report.

    A picture is taken only if the rebuilt request has the digest that the ledger recorded, so it
    is the one that the model saw, pixel for pixel.

    Args:
        plan: The task as it was run.
        seed: Base seed of the run.
        store: Where pictures go.
        ledger: The run's, open.
    """

    def __init__(self, plan: TaskPlan, seed: int, store: PictureStore, ledger: Ledger) -> None:
        self.note = ""
        """Why pictures are left out; empty if none is."""
        self._plan = plan
        self._seed = seed
        self._store = store
        self._ledger = ledger
        self._task = self._build() if Modality.IMAGE in plan.metadata.inputs else None

    def of(self, entry: Entry) -> list[str]:
        """Paths in the report of the pictures of one sample's request."""
        if self._task is None or not entry.request_digest:
            return []
        request = self._rebuilt(self._task, entry)
        return [] if request is None else [self._store.add(image) for image in _images(request)]

    def _build(self) -> Task | None:
        from harness.errors import BenchError
        from harness.registry import tasks

        try:
            return tasks().get(self._plan.task)(self._plan.options)
        except (BenchError, ImportError) as error:
            self.note = f"the task can't be built here: {error}"
            return None

    def _rebuilt(self, task: Task, entry: Entry) -> Request | None:
        from harness.run.rebuild import rebuild_request

        try:
            request = rebuild_request(task, self._seed, entry, self._ledger)
        except Exception as error:  # noqa: BLE001 -- whatever a task's data lack, the report goes on
            self._task, self.note = None, f"the task can't make its requests again: {error}"
            return None
        if request is None:
            self.note = "for some samples the task makes other requests now than it did in the run"
        return request


def _images(request: Request) -> Iterator[Image]:
    yield from getattr(request, "images", ())
    if (image := getattr(request, "image", None)) is not None:
        yield image
