"""The detector against rendered truth, clean and spoilt."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.shapes.detector import Detections, degrade, detect, robustness_curve
from tasks.shapes.world import COLORS, SHAPES, Scene, ShapeObject, generation_sample, render
from tasks.shapes.world.palette import BACKGROUND
from tasks.shapes.world.scene import Box

SCENES = 300


def _iou(a: Box, b: Box) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def _matches(scene: Scene, found: Detections) -> bool:
    """Whether detections are the scene's objects: class, colour and place."""
    left = list(found)
    for item in scene.objects:
        same = [
            d
            for d in left
            if (d.label, d.color) == (item.shape, item.color) and _iou(d.box, item.box) > 0.7
        ]
        if not same:
            return False
        left.remove(same[0])
    return not left


@pytest.fixture(scope="module")
def clean() -> list[tuple[Scene, Detections]]:
    scenes = [generation_sample(11, "test", index).scene for index in range(SCENES)]
    return [(scene, detect(render(scene))) for scene in scenes]


def test_clean_renders_are_read_right_at_least_99_times_of_100(
    clean: list[tuple[Scene, Detections]],
):
    right = sum(_matches(scene, found) for scene, found in clean)
    assert right / len(clean) >= 0.99


def test_clean_detections_pass_genevals_counting_threshold(clean: list[tuple[Scene, Detections]]):
    scores = [d.score for _, found in clean for d in found]
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert np.mean([score > 0.9 for score in scores]) >= 0.98


def test_detections_are_sorted_and_masks_fit_their_boxes(clean: list[tuple[Scene, Detections]]):
    for _, found in clean:
        scores = [d.score for d in found]
        assert scores == sorted(scores, reverse=True)
        for d in found:
            rows, columns = np.nonzero(d.mask)
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert box == d.box


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("side", [15.0, 36.0])
def test_every_shape_in_every_colour_and_size(shape: str, color: str, side: float):
    box = (20.3, 14.6, 20.3 + side, 14.6 + side)
    found = detect(render(Scene(objects=(ShapeObject(shape=shape, color=color, box=box),))))
    assert [(d.label, d.color) for d in found] == [(shape, color)]
    assert found.of_class(shape) == found.items
    assert _iou(found.items[0].box, box) > 0.8


def test_nothing_is_found_in_nothing():
    assert len(detect(render(Scene()))) == 0
    black = np.zeros((64, 64, 3), dtype=np.uint8)
    assert len(detect(black)) == 0


def test_noise_is_not_a_shape():
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = detect(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        assert all(d.score < 0.9 for d in found)


def test_a_blob_of_no_shape_is_refused_or_doubted():
    image = np.full((64, 64, 3), BACKGROUND, dtype=np.uint8)
    image[20:24, 10:50] = COLORS["red"]
    image[24:50, 10:14] = COLORS["red"]
    assert all(d.score < 0.3 for d in detect(image))


def test_touching_shapes_of_two_colours_are_two():
    left = ShapeObject(shape="square", color="red", box=(10.0, 20.0, 30.0, 40.0))
    right = ShapeObject(shape="circle", color="blue", box=(30.0, 20.0, 50.0, 40.0))
    found = detect(render(Scene(objects=(left, right))))
    assert sorted((d.label, d.color) for d in found) == [("circle", "blue"), ("square", "red")]


def test_an_uneven_background_does_not_matter():
    scene = generation_sample(0, "test", 1).scene
    shaded = render(scene).astype(float) * np.linspace(0.93, 1.0, 64)[None, :, None]
    assert _matches(scene, detect(shaded.astype(np.uint8)))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), dtype=np.uint8),
        np.zeros((64, 64, 4), dtype=np.uint8),
        np.zeros((64, 64, 3), dtype=np.float32),
    ],
)
def test_other_arrays_are_refused(image: NDArray[np.generic]):
    with pytest.raises(ValueError, match="expected uint8"):
        detect(image)


def test_other_sizes_are_read_too():
    scene = generation_sample(0, "test", 0).scene
    large = render(scene).repeat(2, axis=0).repeat(2, axis=1)
    assert [d.label for d in detect(large)] == [o.shape for o in scene.objects]


@pytest.mark.parametrize(
    ("kind", "levels", "harmless"),
    [("noise", [0.0, 20.0, 40.0, 80.0], 20.0), ("blur", [0.0, 1.0, 2.5, 5.0], 1.0)],
)
def test_robustness_falls_with_the_damage(
    kind: Literal["noise", "blur"], levels: list[float], harmless: float
):
    curve = dict(robustness_curve(kind, levels, scenes=36))
    shares = list(curve.values())
    assert shares[0] >= 0.97
    assert curve[harmless] >= 0.95
    assert all(late <= early + 0.06 for early, late in pairwise(shares))
    assert shares[-1] < 0.5


def test_degrading_is_seeded():
    image = render(generation_sample(0, "test", 0).scene)
    first, again, other = (degrade(image, "noise", 9.0, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert (degrade(image, "blur", 0.0, 0) == image).all()
