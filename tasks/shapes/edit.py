"""`shapes-edit`: recolour or replace one object and leave the rest alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.records import (
    Capability,
    EditImageRequest,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
)
from harness.task import Task
from tasks.shapes.dataset import CITATION, DATA_SEED, SPLIT, picture, world_dataset

if TYPE_CHECKING:
    from tasks.shapes.detector import Detection, Detections
    from tasks.shapes.world import ShapeObject

__all__ = ["ShapesEdit"]

_THRESHOLD, _MIN_IOU = 0.3, 0.4


class ShapesEdit(Task):
    """The change happened, and everything else stayed where and what it was."""

    metadata = TaskMetadata(
        name="shapes-edit",
        summary="Recolour or replace one shape, the rest unchanged; judged by a detector.",
        version=1,
        requires=frozenset({Capability.EDIT_IMAGE}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.IMAGE,),
        dataset=world_dataset("edit"),
        metrics=(
            MetricSpec(name="success", score="success", description="Changed, and the rest kept."),
            MetricSpec(name="changed", score="changed", description="The change happened."),
            MetricSpec(name="kept", score="kept", description="The rest stayed."),
            MetricSpec(name="recolor", score="success", category="recolor"),
            MetricSpec(name="replace", score="success", category="replace"),
        ),
        protocol_id="shapes-edit/v1",
        citation=CITATION,
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"edits": 120}

    def samples(self) -> Iterator[Sample]:
        """`edits` edits, recolouring and replacing taking turns."""
        from tasks.shapes.world import edit_sample

        for index in range(self.whole("edits", 1)):
            drawn = edit_sample(DATA_SEED, SPLIT, index)
            wanted = [f"{item.color} {item.shape}" for item in drawn.target.objects]
            yield Sample(id=f"{index:05d}", category=drawn.kind, target=wanted)

    def request(self, sample: Sample, seed: int) -> EditImageRequest:
        """Source picture and instruction."""
        from tasks.shapes.world import edit_sample

        drawn = edit_sample(DATA_SEED, SPLIT, int(sample.id))
        return EditImageRequest(prompt=drawn.instruction, image=picture(drawn.source), seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Find each object of the target where it should be, and nothing else.

        Places are compared as fractions of the picture, so its resolution doesn't matter.
        """
        from tasks.shapes.judge import find_shapes
        from tasks.shapes.world import IMAGE_SIZE, edit_sample

        drawn = edit_sample(DATA_SEED, SPLIT, int(sample.id))
        found = find_shapes(response.image, (IMAGE_SIZE, IMAGE_SIZE))
        strays = _strays(found, drawn.target.objects)
        there = [_is_there(item, found) for item in drawn.target.objects]
        changed = there[drawn.changed]
        kept = not strays and all(ok for i, ok in enumerate(there) if i != drawn.changed)
        wanted = drawn.target.objects[drawn.changed]
        wrong = [] if changed else [f"no {wanted.color} {wanted.shape} where it should be"]
        wrong += [] if kept else ["something else changed"]
        return Outcome(
            verdict=Verdict.OK if changed and kept else Verdict.WRONG,
            reason="; ".join(wrong),
            scores={
                "success": float(changed and kept),
                "changed": float(changed),
                "kept": float(kept),
            },
            details={"seen": [f"{d.color} {d.label}" for d in found], "strays": strays},
        )

    def scorer(self) -> Identity:
        """Class, colour and overlap with the right place."""
        return Identity(
            id="shapes-edit",
            version="1",
            settings={"threshold": _THRESHOLD, "min_iou": _MIN_IOU},
        )

    def judge(self) -> Identity:
        """The classical detector."""
        from tasks.shapes.judge import detector_identity

        return detector_identity()

    def prompt_template(self) -> str:
        """The instruction alone."""
        return "{instruction}"


def _is_there(item: ShapeObject, found: Detections) -> bool:
    return any(
        (d.label, d.color) == (item.shape, item.color) and _at(item, d)
        for d in found
        if d.score > _THRESHOLD
    )


def _strays(found: Detections, objects: tuple[ShapeObject, ...]) -> list[str]:
    """Objects seen where the target has none."""
    sure = [d for d in found if d.score > _THRESHOLD]
    return [f"{d.color} {d.label}" for d in sure if not any(_at(item, d) for item in objects)]


def _at(item: ShapeObject, detection: Detection) -> bool:
    from tasks.scoring.geneval import compute_iou

    return compute_iou(item.box, detection.box) > _MIN_IOU
