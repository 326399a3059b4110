"""The detector as a judge of a model's pictures, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.records import Identity, JsonValue
from tasks.shapes.dataset import pixels
from tasks.shapes.world.palette import COLORS, SHAPES

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.scoring.geneval import Judgement, PromptSpec
    from tasks.shapes.detector import Detection, Detections

__all__ = ["MAX_SIDE", "JudgedDrawing", "detector_identity", "find_shapes", "judge_drawing"]

MAX_SIDE = 256
"""Larger pictures are reduced to this many pixels a side before detection; time and memory of
the detector grow with the area, and a shape of the world loses nothing at this size."""


def find_shapes(image: Image | None, frame: tuple[int, int] | None = None) -> Detections:
    """Detect shapes in a picture of any size.

    Args:
        image: Picture of any mode and size; its longer side is brought down to `MAX_SIDE`.
        frame: Width and height that boxes refer to; `None` is the picture's own size.

    Returns:
        Detections with boxes in the frame; their masks are at the reduced size.

    Raises:
        ValueError: There is no picture.

    Example:
        >>> from tasks.shapes.dataset import picture
        >>> from tasks.shapes.world import generation_sample
        >>> large = picture(generation_sample(0, "test", 3).scene).resize((640, 640))
        >>> [(found.label, found.color) for found in find_shapes(large)]
        [('circle', 'green')]
    """
    from tasks.shapes.detector import Detections, detect

    if image is None:
        raise ValueError("the response has no picture to detect shapes in")
    small = _reduced(image)
    found = detect(pixels(small))
    width, height = frame or image.size
    across, down = width / small.width, height / small.height
    return Detections(tuple(_scaled(item, across, down) for item in found))


class JudgedDrawing(NamedTuple):
    """What the detector and GenEval's rules say about a picture."""

    judgement: Judgement
    """Whether the prompt's conditions hold, and which doesn't."""
    seen: list[JsonValue]
    """What a report draws: class, colour, box and mask of each shape."""


def judge_drawing(image: Image | None, spec: PromptSpec) -> JudgedDrawing:
    """Detect shapes, then judge by GenEval's rules, the detector naming the colours.

    Args:
        image: Picture of any mode and size.
        spec: What the prompt asks for, of the world's classes and colours.

    Raises:
        ValueError: There is no picture.
    """
    from tasks.scoring.geneval import evaluate_detections

    found = find_shapes(image)
    by_class = {name: found.of_class(name) for name in SHAPES}
    rows = {name: [[*d.box, d.score] for d in items] for name, items in by_class.items()}

    def classify(name: str, kept: Sequence[Any]) -> list[str]:
        return [by_class[name][detection.row].color for detection in kept]

    judgement = evaluate_detections(
        spec,
        {name: boxes for name, boxes in rows.items() if boxes},
        classify,
        colors=tuple(COLORS),
    )
    return JudgedDrawing(judgement, [_seen(detection) for detection in found])


def detector_identity() -> Identity:
    """Identity of the judge; part of the protocol of every score it gives."""
    from tasks.shapes.detector import DETECTOR_VERSION

    return Identity(
        id="classical-shapes", version=DETECTOR_VERSION, settings={"max_side": MAX_SIDE}
    )


def _reduced(image: Image) -> Image:
    from PIL import Image as PILImage

    if max(image.size) <= MAX_SIDE:
        return image
    scale = MAX_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, PILImage.Resampling.BOX)


def _scaled(item: Detection, across: float, down: float) -> Detection:
    x0, y0, x1, y1 = item.box
    return replace(item, box=(x0 * across, y0 * down, x1 * across, y1 * down))


def _seen(detection: Detection) -> JsonValue:
    """What a report draws: class, colour, box and mask."""
    from tasks.judges import encode_mask

    mask = encode_mask(detection.mask)
    return {
        "class": detection.label,
        "color": detection.color,
        "box": list(detection.box),
        "score": detection.score,
        "mask": {"size": list(mask.size), "counts": list(mask.counts)},
    }
