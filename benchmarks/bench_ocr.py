"""Reading pictures side by side, against one by one as rapidocr comes.

The reference is rapidocr with its own threads (onnxruntime takes all processors for each network)
on one picture after the other. Ours runs each network on one thread and as many pictures as there
are processors, so that the text can't depend on their number. Only equal texts count.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.ratios import compare
from tasks.judges.ocr.rapid import RapidReader
from tasks.ocr.pages import draw_page, page

pytestmark = pytest.mark.bench

PICTURES, SIDE, SIZE, ROUNDS = 8, 512, 24, 3


def pages() -> list[Any]:
    return [np.asarray(draw_page(page(SIZE, number, SIDE), SIDE)) for number in range(PICTURES)]


class AsItComes(RapidReader):
    """The same networks with rapidocr's own threads."""

    def __init__(self) -> None:
        super().__init__()
        from rapidocr import RapidOCR

        self._engine = RapidOCR(params={"Global.log_level": "critical", "Global.use_cls": False})


@pytest.mark.parametrize(
    ("reference", "least"),
    [
        pytest.param(AsItComes, 1.0, id="as it comes"),
        # On a machine that others use there may be no second processor to gain.
        pytest.param(RapidReader, 0.0, id="one thread, reported only"),
    ],
)
def test_pictures_side_by_side_are_faster_than_one_by_one(
    benchmark: BenchmarkFixture, reference: type[RapidReader], least: float
):
    processors = os.cpu_count() or 1
    if processors < 2:
        pytest.skip("needs two processors")
    images, ours, theirs = pages(), RapidReader(processors), reference()

    def together() -> list[str]:
        return [found.text for found in ours.read(images)]

    def apart() -> list[str]:
        return [theirs.read([image])[0].text for image in images]

    assert together() == apart()
    ratio = compare(benchmark, together, apart, rounds=ROUNDS)
    print(f"\n{PICTURES} pages of {SIDE} pixels on {processors} processors: {ratio}")
    assert ratio.median > least
