"""From images to judgements: detect in batches, name all colours at once, then the pure rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.judges import ColorJudge, Crop, Instances, ObjectDetector
from tasks.scoring.geneval import (
    COLORS,
    DEFAULT_OPTIONS,
    Detection,
    FilterOptions,
    Judgement,
    PromptSpec,
    evaluate,
    select_detections,
)

__all__ = ["Seen", "judge_images"]

Pixels: TypeAlias = npt.NDArray[np.uint8]
_Key: TypeAlias = tuple[int, str, int]  # image, class, row


class Seen(NamedTuple):
    """What was seen in one image, and what that means for its prompt."""

    judgement: Judgement
    """Right or wrong, and why."""

    objects: Mapping[str, Sequence[Detection]]
    """Class name to the detections that count, best first."""

    colors: Mapping[tuple[str, int], str]
    """Colour by class and row, of the objects whose colour the prompt asks for."""


def judge_images(
    specs: Sequence[PromptSpec],
    images: Sequence[Pixels],
    detector: ObjectDetector,
    color_judge: Callable[[], ColorJudge],
    *,
    options: FilterOptions = DEFAULT_OPTIONS,
    colors: Sequence[str] = COLORS,
    batch: int = 8,
) -> list[Seen]:
    """Judge images by GenEval's rules; the colours of all of them are asked for in one call.

    Which objects' colours matter depends on detections alone, never on other colours, so they can
    be gathered first. The verdicts are those of judging image by image.

    Args:
        specs: What each prompt asks for.
        images: (H, W, 3) uint8 RGB each.
        detector: Finds objects.
        color_judge: Gives the colour classifier; called only if a colour is asked for.
        options: Thresholds.
        colors: The classifier's vocabulary.
        batch: Images given to the detector at once.

    Returns:
        One entry per image.

    Raises:
        ValueError: Detector or classifier break their contract.
    """
    found: list[Mapping[str, Instances]] = []
    for start in range(0, len(images), batch):
        found += detector.detect(images[start : start + batch])
    if len(found) != len(images):
        raise ValueError(f"the detector answered for {len(found)} of {len(images)} images")
    objects = [
        select_detections({name: i.rows() for name, i in seen.items()}, spec.tag, options)
        for spec, seen in zip(specs, found, strict=True)
    ]
    named = _name_colors(_asked(specs, objects, options, colors), images, found, color_judge)
    by_image: list[dict[tuple[str, int], str]] = [{} for _ in specs]
    for (index, name, row), color in named.items():
        by_image[index][name, row] = color
    return [
        Seen(_judgement(spec, kept, seen, options, colors), kept, seen)
        for spec, kept, seen in zip(specs, objects, by_image, strict=True)
    ]


def _asked(
    specs: Sequence[PromptSpec],
    objects: Sequence[Mapping[str, Sequence[Detection]]],
    options: FilterOptions,
    colors: Sequence[str],
) -> dict[_Key, Detection]:
    """The objects whose colours decide, each once, in a fixed order."""
    asked: dict[_Key, Detection] = {}
    for index, spec in enumerate(specs):

        def note(name: str, items: Sequence[Detection], index: int = index) -> list[str]:
            asked.update({(index, name, item.row): item for item in items})
            return [colors[0]] * len(items)

        evaluate(
            spec,
            objects[index],
            note,
            position_threshold=options.position_threshold,
            colors=colors,
        )
    return asked


def _name_colors(
    asked: Mapping[_Key, Detection],
    images: Sequence[Pixels],
    found: Sequence[Mapping[str, Instances]],
    color_judge: Callable[[], ColorJudge],
) -> dict[_Key, str]:
    if not asked:
        return {}
    crops = list(_crops(asked, images, found))
    answers = color_judge().classify(crops)
    if len(answers) != len(crops):
        raise ValueError(f"the color classifier gave {len(answers)} colors for {len(crops)} crops")
    return dict(zip(asked, answers, strict=True))


def _crops(
    asked: Mapping[_Key, Detection],
    images: Sequence[Pixels],
    found: Sequence[Mapping[str, Instances]],
) -> Iterator[Crop]:
    for (index, name, row), item in asked.items():
        masks = found[index][name].masks
        mask = None if masks is None else masks[row]
        yield Crop(image=images[index], label=name, box=item.box, mask=mask)


def _judgement(
    spec: PromptSpec,
    objects: Mapping[str, Sequence[Detection]],
    named: Mapping[tuple[str, int], str],
    options: FilterOptions,
    colors: Sequence[str],
) -> Judgement:
    def look_up(name: str, items: Sequence[Detection]) -> list[str]:
        return [named[name, item.row] for item in items]

    return evaluate(
        spec,
        objects,
        look_up,
        position_threshold=options.position_threshold,
        colors=colors,
    )
