"""How alike two images are: MSE, PSNR, SSIM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["mse", "psnr", "ssim"]

Image = npt.NDArray[np.uint8]

_PEAK = 255.0
_WINDOW = 11
_SIGMA = 1.5
_C1 = (0.01 * _PEAK) ** 2
_C2 = (0.03 * _PEAK) ** 2


def mse(first: Image, second: Image) -> float:
    """Mean squared error over pixels and channels.

    Args:
        first: uint8, (height, width, 3), values 0 to 255.
        second: The same shape.

    Returns:
        A value in [0, 65025].

    Raises:
        ValueError: Shapes or dtypes differ from that.

    Example:
        >>> black = np.zeros((16, 16, 3), np.uint8)
        >>> mse(black, black + 2)
        4.0
    """
    _check(first, second)
    difference = first.astype(np.float64) - second.astype(np.float64)
    return float(np.mean(difference**2))


def psnr(first: Image, second: Image) -> float:
    """Peak signal-to-noise ratio in dB, for a peak of 255.

    10 log10(255^2 / MSE), the error taken over pixels and channels together.

    Args:
        first: uint8, (height, width, 3), values 0 to 255.
        second: The same shape.

    Returns:
        Decibels; infinity for equal images, so average the error rather than this over images
        that may be equal.

    Raises:
        ValueError: Shapes or dtypes differ from that.

    Example:
        >>> black = np.zeros((16, 16, 3), np.uint8)
        >>> psnr(black, black + 255), psnr(black, black)
        (0.0, inf)
    """
    error = mse(first, second)
    return 10 * math.log10(_PEAK**2 / error) if error else math.inf


def ssim(first: Image, second: Image) -> float:
    """Structural similarity, the mean over windows and the three channels.

    Wang, Bovik, Sheikh and Simoncelli (2004), equation 13: Gaussian windows of 11x11 with a
    standard deviation of 1.5, K1 = 0.01, K2 = 0.03, L = 255, only windows inside the image. As
    scikit-image's `structural_similarity` with `gaussian_weights=True`, `sigma=1.5` and
    `use_sample_covariance=False`.

    Args:
        first: uint8, (height, width, 3), values 0 to 255, both sides at least 11.
        second: The same shape.

    Returns:
        A value in [-1, 1]; 1 for equal images.

    Raises:
        ValueError: Shapes or dtypes differ from that.

    Example:
        >>> ramp = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
        >>> ssim(ramp, ramp)
        1.0
    """
    _check(first, second)
    if min(first.shape[:2]) < _WINDOW:
        raise ValueError(f"SSIM needs sides of at least {_WINDOW} pixels, got {first.shape}")
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return float(np.mean(luminance * structure))


def _blur(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Gaussian means of all windows inside the image, one axis after the other."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        image = np.lib.stride_tricks.sliding_window_view(image, _WINDOW, axis=axis) @ weights
    return image


def _check(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    for image in (first, second):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(
                f"expected a uint8 image (height, width, 3), got {image.dtype} {image.shape}"
            )
    if first.shape != second.shape:
        raise ValueError(f"images differ in shape: {first.shape} and {second.shape}")
