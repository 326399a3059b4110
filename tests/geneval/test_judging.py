"""Judging in batches: one call for all colours, and the verdicts of judging one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SpecError
from tasks.geneval.judges import Judges
from tasks.geneval.judging import judge_images
from tasks.judges import Crop, Instances, encode_mask
from tasks.judges.palette_colors import PaletteColors
from tasks.scoring.geneval import COLORS, PromptSpec, evaluate_detections, parse_prompt
from tests.geneval.fakes import CodeColors, CodeDetector, code_image, record

Images = list[np.ndarray]


class Rows:
    """A detector that has an answer ready for each image, by the number in its first pixel."""

    classes = ("cow", "dog")

    def __init__(self, answers: list[dict[str, list[tuple[float, ...]]]]) -> None:
        self.answers = answers

    def detect(self, images: Images) -> list[dict[str, Instances]]:
        return [
            {
                name: Instances(
                    boxes=np.array(rows, np.float32).reshape(-1, 5)[:, :4],
                    scores=np.array(rows, np.float32).reshape(-1, 5)[:, 4],
                    masks=tuple(encode_mask(np.eye(4)) for _ in rows),
                )
                for name, rows in self.answers[int(image[0, 0, 0])].items()
            }
            for image in images
        ]


class ByBox:
    """Colour from the box alone, so that mixing up crops changes verdicts."""

    def __init__(self) -> None:
        self.calls: list[list[Crop]] = []

    def classify(self, crops: list[Crop]) -> list[str]:
        self.calls.append(list(crops))
        return [self.of(crop.box) for crop in crops]

    @staticmethod
    def of(box: np.ndarray) -> str:
        return COLORS[int(box.sum()) % 3]


box = st.tuples(*[st.integers(0, 40)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
rows = st.lists(st.tuples(box, st.integers(1, 63)), max_size=6).map(
    lambda found: [(*corners, score / 64) for corners, score in found]
)
found = st.fixed_dictionaries({"cow": rows, "dog": rows})


@st.composite
def specs(draw: st.DrawFn) -> PromptSpec:
    clauses = [
        {"class": draw(st.sampled_from(("cow", "dog"))), "count": draw(st.integers(1, 2))}
        for _ in range(draw(st.integers(1, 3)))
    ]
    for index, clause in enumerate(clauses):
        if draw(st.booleans()):
            clause["color"] = draw(st.sampled_from(COLORS[:3]))
        if index and draw(st.booleans()):
            clause["position"] = [draw(st.sampled_from(("left of", "above"))), 0]
    return parse_prompt({"tag": "position", "include": clauses, "prompt": "p"})


@settings(max_examples=60)
@given(st.lists(st.tuples(specs(), found), min_size=1, max_size=6), st.integers(1, 4))
def test_batches_judge_as_the_scorer_does_one_by_one(
    cases: list[tuple[PromptSpec, dict[str, list[tuple[float, ...]]]]], batch: int
):
    images = [np.full((4, 4, 3), index, np.uint8) for index in range(len(cases))]
    colors = ByBox()
    seen = judge_images(
        [spec for spec, _ in cases],
        images,
        Rows([answer for _, answer in cases]),
        lambda: colors,
        batch=batch,
    )
    alone = [
        evaluate_detections(spec, answer, lambda _, kept: [ByBox.of(d.box) for d in kept])
        for spec, answer in cases
    ]
    assert [one.judgement for one in seen] == alone
    assert len(colors.calls) <= 1


def test_all_colours_of_a_batch_are_asked_for_in_one_call():
    detector, colors = CodeDetector(), CodeColors()
    records = [record("car", color=True), record("cow"), record("bus", color=True)] * 5
    names = ["car", "cow", "bus"] * 5
    images = [np.asarray(code_image(name)) for name in names]
    seen = judge_images(
        [parse_prompt(r) for r in records], images, detector, lambda: colors, batch=4
    )
    assert all(one.judgement.correct for one in seen)
    assert detector.batches == [4, 4, 4, 3]
    assert colors.calls == [10]


def test_without_colours_no_classifier_is_needed():
    def refuse() -> CodeColors:
        raise AssertionError("nobody asked for a colour")

    images = [np.asarray(code_image("cow"))]
    (seen,) = judge_images([parse_prompt(record("cow"))], images, CodeDetector(), refuse)
    assert seen.judgement.correct
    with pytest.raises(SpecError, match="color_judge is 'none'"):
        Judges(CodeDetector(), None).color()


def test_objects_that_are_absent_are_not_asked_for_their_colour():
    colors = CodeColors()
    images = [np.asarray(code_image("bus"))]
    (seen,) = judge_images(
        [parse_prompt(record("car", color=True))], images, CodeDetector(), lambda: colors
    )
    assert not seen.judgement.correct
    assert colors.calls == []


class Short(CodeDetector, CodeColors):
    def detect(self, images: Images) -> list:
        return []

    def classify(self, crops: list[Crop]) -> list[str]:
        return []


def test_judges_that_answer_too_little_are_caught():
    specs = [parse_prompt(record("car", color=True))]
    images = [np.asarray(code_image("car"))]
    with pytest.raises(ValueError, match="answered for 0 of 1 images"):
        judge_images(specs, images, Short(), CodeColors)
    with pytest.raises(ValueError, match="0 colors for 1 crops"):
        judge_images(specs, images, CodeDetector(), Short)


def test_the_palette_names_colours_of_shapes():
    from tasks.shapes.world import COLORS as PALETTE
    from tasks.shapes.world.palette import BACKGROUND

    for name, rgb in PALETTE.items():
        image = np.full((20, 20, 3), BACKGROUND, np.uint8)
        image[5:15, 5:10] = rgb
        whole = np.array([4, 4, 16, 16], np.float32)
        mask = np.zeros((20, 20), bool)
        mask[5:15, 5:10] = True
        crops = [
            Crop(image=image, label="circle", box=whole, mask=rle)
            for rle in (None, encode_mask(mask))
        ]
        assert PaletteColors().classify(crops) == [name, name]


def test_the_palette_names_something_for_an_empty_box():
    image = np.full((8, 8, 3), (230, 230, 230), np.uint8)
    box = np.array([7, 7, 7, 7], np.float32)
    crop = Crop(image=image, label="x", box=box, mask=encode_mask(np.zeros((8, 8))))
    assert PaletteColors().classify([crop]) == ["yellow"]
