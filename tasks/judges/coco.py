"""The 80 classes of COCO's detection task, as detectors order them and as GenEval spells them."""

from __future__ import annotations

__all__ = ["COCO_CLASSES", "GENEVAL_CLASSES", "geneval_name"]

COCO_CLASSES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's own names, in the order of a detector's outputs (80)."""

_SPELLED = {"mouse": "computer mouse", "remote": "tv remote", "keyboard": "computer keyboard"}


def geneval_name(coco_name: str) -> str:
    """A class as GenEval's prompts and records name it.

    Example:
        >>> geneval_name("mouse"), geneval_name("cow")
        ('computer mouse', 'cow')
    """
    return _SPELLED.get(coco_name, coco_name)


GENEVAL_CLASSES: tuple[str, ...] = tuple(map(geneval_name, COCO_CLASSES))
"""The same classes in the same order, spelled as in GenEval."""
