"""PSNR and SSIM, against scikit-image, and their laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from tasks.scoring.images import mse, psnr, ssim

Image = npt.NDArray[Any]
Measure = Callable[[Image, Image], float]

SIZES = [(11, 11), (11, 40), (64, 64), (33, 57)]


def noise(seed: int, size: tuple[int, int]) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def gradient(size: tuple[int, int]) -> Image:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.stack([rows * 3, columns * 2, rows + columns], axis=2).clip(0, 255).astype(np.uint8)


def perturbed(image: Image, seed: int, amount: int) -> Image:
    shift = np.random.default_rng(seed).integers(-amount, amount + 1, image.shape)
    return (image.astype(int) + shift).clip(0, 255).astype(np.uint8)


def image_pairs() -> list[tuple[Image, Image]]:
    pairs = [(noise(1, size), noise(2, size)) for size in SIZES]
    pairs += [
        (gradient(size), perturbed(gradient(size), 3, amount))
        for size in SIZES
        for amount in (1, 20, 90)
    ]
    flat = np.full((20, 20, 3), 128, np.uint8)
    return [*pairs, (flat, flat + 1), (flat, noise(4, (20, 20)))]


@pytest.mark.parametrize(("first", "second"), image_pairs())
def test_psnr_and_mse_are_scikit_image_s(first: Image, second: Image) -> None:
    assert mse(first, second) == pytest.approx(mean_squared_error(first, second))
    assert psnr(first, second) == pytest.approx(peak_signal_noise_ratio(first, second))


@pytest.mark.parametrize(("first", "second"), image_pairs())
def test_ssim_is_scikit_image_s(first: Image, second: Image) -> None:
    expected = structural_similarity(
        first,
        second,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(first, second) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("first", "second"), image_pairs())
def test_both_are_symmetric_and_full_for_equal_images(first: Image, second: Image) -> None:
    assert ssim(first, second) == pytest.approx(ssim(second, first))
    assert psnr(first, second) == psnr(second, first)
    assert ssim(first, first) == 1
    assert psnr(first, first) == math.inf
    assert ssim(first, second) < 1


def test_more_noise_scores_less() -> None:
    clean = gradient((64, 64))
    noisy = [perturbed(clean, 5, amount) for amount in (2, 10, 50)]
    for measure in (psnr, ssim):
        values = [measure(clean, image) for image in noisy]
        assert values == sorted(values, reverse=True)


def test_inputs_are_left_alone() -> None:
    image = noise(6, (16, 16))
    image.flags.writeable = False
    ssim(image, image)
    psnr(image, image)


@pytest.mark.parametrize("measure", [mse, psnr, ssim])
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), "uint8"),
        (np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8), "uint8 image"),
        (np.zeros((16, 16, 4), np.uint8), np.zeros((16, 16, 4), np.uint8), "uint8 image"),
        (np.zeros((0, 16, 3), np.uint8), np.zeros((0, 16, 3), np.uint8), "uint8 image"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8), "differ in shape"),
    ],
)
def test_other_arrays_are_refused(
    measure: Measure, first: Image, second: Image, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(first, second)


def test_ssim_needs_room_for_its_window() -> None:
    small = np.zeros((10, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 11"):
        ssim(small, small)
