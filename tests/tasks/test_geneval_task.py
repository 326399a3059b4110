"""shapes-geneval: a perfect painter scores 1, every kind of mistake is named."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from harness.records import Response, Sample, Verdict
from tasks.shapes import detector
from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
from tasks.shapes.geneval import ShapesGenEval
from tasks.shapes.world import Scene, ShapeObject, generation_sample
from tests.tasks.answers import outcome_of, result_of, showing, values_of

SKILLS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")


def truth(sample: Sample) -> Response:
    return Response(image=picture(generation_sample(DATA_SEED, SPLIT, int(sample.id)).scene))


def test_a_perfect_painter_is_recognised():
    result = result_of(ShapesGenEval({"prompts": 25, "images": 1}), truth)
    values = values_of(result)
    assert values["overall"] >= 0.99
    assert all(values[skill] >= 0.95 for skill in SKILLS)
    assert result.total == 150


def test_blank_paper_is_wrong_everywhere():
    blank = Image.new("RGB", (64, 64), (236, 236, 236))
    result = result_of(ShapesGenEval({"prompts": 2, "images": 2}), showing(blank))
    assert values_of(result)["overall"] == 0
    assert result.verdicts == {"wrong": 24}


def test_overall_is_the_mean_of_skills_not_of_images():
    task = ShapesGenEval({"prompts": 3, "images": 1})
    blank = Image.new("RGB", (64, 64), (236, 236, 236))

    def half(sample: Sample) -> Response:
        return truth(sample) if sample.category in SKILLS[:3] else Response(image=blank)

    assert values_of(result_of(task, half))["overall"] == pytest.approx(0.5)


def _draw(*objects: tuple[str, str, tuple[float, float, float, float]]) -> Image.Image:
    shapes = tuple(ShapeObject(shape=s, color=c, box=b) for s, c, b in objects)
    return picture(Scene(objects=shapes))


LEFT, RIGHT = (6.0, 20.0, 24.0, 38.0), (40.0, 20.0, 58.0, 38.0)


@pytest.mark.parametrize(
    ("include", "drawn", "correct", "reason"),
    [
        ([{"class": "circle", "count": 1}], [("circle", "red", LEFT)], True, ""),
        ([{"class": "circle", "count": 1}], [("square", "red", LEFT)], False, "expected circle>=1"),
        (
            [{"class": "circle", "count": 1, "color": "blue"}],
            [("circle", "red", LEFT)],
            False,
            "expected blue circle>=1",
        ),
        (
            [
                {"class": "circle", "count": 1},
                {"class": "square", "count": 1, "position": ["left of", 0]},
            ],
            [("circle", "red", LEFT), ("square", "red", RIGHT)],
            False,
            "expected square left of target",
        ),
    ],
)
def test_mistakes_are_named(include: list, drawn: list, correct: bool, reason: str):
    tag = (
        "position" if len(include) == 2 else "colors" if "color" in include[0] else "single_object"
    )
    sample = Sample(id="0", target={"tag": tag, "include": include, "prompt": "a photo"})
    outcome = ShapesGenEval().score(sample, Response(image=_draw(*drawn)))
    assert outcome.verdict is (Verdict.OK if correct else Verdict.WRONG)
    assert reason in outcome.reason
    assert len(outcome.details["detections"]) == len(drawn)


def test_any_image_gets_a_verdict(odd_image: Image.Image):
    assert outcome_of(ShapesGenEval(), Response(image=odd_image)).verdict in Verdict


@pytest.mark.parametrize("size", [(128, 128), (512, 512), (1024, 512)], ids=str)
def test_resolution_does_not_matter(size: tuple[int, int]):
    def resized(sample: Sample) -> Response:
        return Response(image=truth(sample).image.resize(size))

    assert values_of(result_of(ShapesGenEval({"prompts": 3, "images": 1}), resized))["overall"] == 1


def test_boxes_are_in_the_pixels_of_the_picture():
    sample = next(iter(ShapesGenEval().samples()))
    image = _draw(("circle", "red", LEFT))
    small, large = (
        ShapesGenEval().score(sample, Response(image=image.resize((side, side))))
        for side in (64, 640)
    )
    (before,), (after,) = small.details["detections"], large.details["detections"]
    assert after["box"] == pytest.approx([10 * v for v in before["box"]], abs=10)


def test_a_huge_picture_is_judged_in_little_memory():
    huge = Image.new("RGB", (6000, 4000), (236, 236, 236))
    tracemalloc.start()
    outcome = outcome_of(ShapesGenEval(), Response(image=huge))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome.verdict is Verdict.WRONG
    assert peak < 100e6


def test_no_picture_is_a_failure_of_judging_not_a_zero():
    with pytest.raises(ValueError, match="no picture"):
        outcome_of(ShapesGenEval(), Response(text="a circle"))


def test_the_protocol_names_the_detectors_version(monkeypatch: pytest.MonkeyPatch):
    before = ShapesGenEval().protocol(0)
    monkeypatch.setattr(detector, "DETECTOR_VERSION", "next")
    after = ShapesGenEval().protocol(0)
    assert after.judge.version == "next"
    assert after.hash != before.hash


def test_noise_is_not_taken_for_shapes():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    result = result_of(ShapesGenEval({"prompts": 4, "images": 1}), showing(noise))
    assert values_of(result)["overall"] <= 0.05


def test_images_of_a_prompt_share_a_cluster():
    first = list(ShapesGenEval({"prompts": 1}).samples())[:4]
    assert {s.cluster_id for s in first} == {first[0].id}
    assert [s.k for s in first] == [0, 1, 2, 3]
