"""A classical detector of coloured shapes: colour classes, components, templates.

Each pixel is explained as the background covered to some extent by one colour of the palette.
Pixels that one colour covers by half or more form that colour's mask; its connected components
are compared with the four shapes, drawn to the component's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tasks.shapes.world.palette import BACKGROUND, COLORS, SHAPES
from tasks.shapes.world.raster import CROSS_ARM

__all__ = ["DETECTOR_VERSION", "Detection", "Detections", "degrade", "detect", "robustness_curve"]

DETECTOR_VERSION = "1"
"""Raised when the same image may give other detections; part of a score's identity."""

_COVERED = 0.5
_MAX_RESIDUAL = 60.0
_MIN_AREA = 20
_MAX_SHARE = 0.8
_MIN_IOU = 0.6
_TEMPERATURE = 0.04
_FULL_IOU = 0.8
_BACKGROUND_TOLERANCE = 90.0
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One shape found in an image."""

    label: str
    """Class name, one of `SHAPES`."""
    color: str
    """Colour name, a key of `COLORS`."""
    box: tuple[float, float, float, float]
    """`(x0, y0, x1, y1)` in pixels; x1 and y1 are exclusive edges."""
    score: float
    """Confidence in [0, 1]: how well its class explains the mask, and others don't."""
    mask: NDArray[np.bool_]
    """Its pixels, (height, width)."""


@dataclass(frozen=True)
class Detections:
    """All shapes of an image, best score first."""

    items: tuple[Detection, ...]
    """The detections."""

    def __iter__(self) -> Iterator[Detection]:
        """Iterate over the detections, best first."""
        return iter(self.items)

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.items)

    def of_class(self, label: str) -> tuple[Detection, ...]:
        """The detections of one class, best first."""
        return tuple(item for item in self.items if item.label == label)


def detect(image: NDArray[np.uint8]) -> Detections:
    """Find coloured shapes.

    Args:
        image: uint8 (height, width, 3), RGB.

    Raises:
        ValueError: For an array of another shape or type.

    Example:
        >>> from tasks.shapes.world import generation_sample, render
        >>> sample = generation_sample(0, "test", 3)
        >>> [(d.label, d.color) for d in detect(render(sample.scene))]
        [('circle', 'green')]
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected uint8 (height, width, 3), got {image.dtype} {image.shape}")
    owner = _owners(image.astype(np.float64))
    found = []
    for number, color in enumerate(COLORS):
        labels, _ = ndimage.label(owner == number, structure=_EIGHT_NEIGHBOURS)
        for index, window in enumerate(ndimage.find_objects(labels), start=1):
            item = _classify(labels[window] == index, window, color, image.shape[:2])
            if item is not None:
                found.append(item)
    return Detections(tuple(sorted(found, key=lambda item: -item.score)))


def _owners(image: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the colour that covers each pixel by half or more; -1 for none."""
    background = _background(image)
    offset = image - background
    directions = np.array(list(COLORS.values()), dtype=np.float64) - background
    coverage = offset @ directions.T / (directions**2).sum(1)
    nearest = np.clip(coverage, 0, 1)[..., None] * directions
    residual = np.linalg.norm(offset[..., None, :] - nearest, axis=-1)
    owner = residual.argmin(-1)
    best = owner[..., None]
    covered = np.take_along_axis(coverage, best, -1)[..., 0] >= _COVERED
    explained = np.take_along_axis(residual, best, -1)[..., 0] <= _MAX_RESIDUAL
    return np.where(covered & explained, owner, -1)


def _background(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The border's median colour where it is close to the world's background, else the latter."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    median, expected = np.median(border, axis=0), np.array(BACKGROUND, dtype=np.float64)
    near = np.linalg.norm(median - expected) <= _BACKGROUND_TOLERANCE
    return np.asarray(median if near else expected)


def _classify(
    mask: NDArray[np.bool_], window: tuple[slice, slice], color: str, size: tuple[int, int]
) -> Detection | None:
    """The detection of one component, or None where no shape explains it."""
    fills_image = mask.size > _MAX_SHARE * size[0] * size[1]
    if fills_image or int(mask.sum()) < _MIN_AREA:
        return None
    fits = np.array([_iou(mask, template) for template in _templates(*mask.shape)])
    best = int(fits.argmax())
    if fits[best] < _MIN_IOU:
        return None
    odds = np.exp((fits - fits[best]) / _TEMPERATURE)
    score = float(odds[best] / odds.sum() * min(1.0, fits[best] / _FULL_IOU))
    whole = np.zeros(size, dtype=bool)
    whole[window] = mask
    rows, columns = window
    box = (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
    return Detection(label=SHAPES[best], color=color, box=box, score=score, mask=whole)


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / (first | second).sum())


@lru_cache(maxsize=4096)
def _templates(height: int, width: int) -> tuple[NDArray[np.bool_], ...]:
    """Masks (height, width) of the shapes, in the order of `SHAPES`, filling the box."""
    y, x = np.meshgrid(
        (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
    )
    dx, dy = np.abs(x - 0.5), np.abs(y - 0.5)
    arm = CROSS_ARM / 2
    return (
        dx**2 + dy**2 <= 0.25,
        np.ones((height, width), dtype=bool),
        dx <= y / 2,
        (dx <= arm) | (dy <= arm),
    )


def degrade(
    image: NDArray[np.uint8], kind: Literal["noise", "blur"], level: float, seed: int
) -> NDArray[np.uint8]:
    """Spoil an image.

    Args:
        image: uint8 (height, width, 3).
        kind: `noise` adds Gaussian noise, `blur` convolves with a Gaussian.
        level: Standard deviation: in grey levels of 255 for noise, in pixels for blur.
        seed: Seed of the noise.
    """
    values = image.astype(np.float64)
    if kind == "noise":
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed,))))
        values = values + rng.normal(0.0, level, values.shape)
    else:
        values = ndimage.gaussian_filter(values, (level, level, 0))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def robustness_curve(
    kind: Literal["noise", "blur"], levels: list[float], scenes: int = 120, seed: int = 0
) -> list[tuple[float, float]]:
    """Share of test scenes that are detected exactly, at each level of noise or blur.

    A scene counts where classes and colours of all detections are those of its objects.

    Args:
        kind: What spoils the images.
        levels: Standard deviations; see `degrade`.
        scenes: How many scenes of the test split.
        seed: Seed of the scenes and of the noise.

    Returns:
        Pairs of level and share in [0, 1].
    """
    from tasks.shapes.world import generation_sample, render

    truth = [generation_sample(seed, "test", index).scene for index in range(scenes)]
    images = [render(scene) for scene in truth]
    expected = [sorted((o.shape, o.color) for o in scene.objects) for scene in truth]
    curve = []
    for level in levels:
        hits = 0
        for index, (image, want) in enumerate(zip(images, expected, strict=True)):
            found = detect(degrade(image, kind, level, seed + index))
            hits += sorted((d.label, d.color) for d in found) == want
        curve.append((level, hits / scenes))
    return curve
