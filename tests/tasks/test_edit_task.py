"""shapes-edit: the change must happen and the rest must stay."""

import numpy as np
import pytest
from PIL import Image

from harness.records import Response, Sample
from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
from tasks.shapes.edit import ShapesEdit
from tasks.shapes.world import BACKGROUND, Scene, edit_sample
from tests.tasks.answers import outcome_of, result_of, values_of

TASK = ShapesEdit({"edits": 40})


def _drawn(sample: Sample):
    return edit_sample(DATA_SEED, SPLIT, int(sample.id))


def test_the_target_scene_succeeds():
    values = values_of(result_of(TASK, lambda s: Response(image=picture(_drawn(s).target))))
    assert values["success"] >= 0.97


def test_doing_nothing_keeps_the_rest_but_changes_nothing():
    values = values_of(result_of(TASK, lambda s: Response(image=picture(_drawn(s).source))))
    assert values["changed"] <= 0.03
    assert values["success"] <= 0.03
    assert values["kept"] >= 0.97


def test_dropping_the_other_object_is_seen():
    def only_the_changed(sample: Sample) -> Response:
        drawn = _drawn(sample)
        return Response(image=picture(Scene(objects=(drawn.target.objects[drawn.changed],))))

    pairs = [s for s in TASK.samples() if len(_drawn(s).target.objects) == 2]
    outcomes = [TASK.score(s, only_the_changed(s)) for s in pairs]
    assert outcomes
    assert sum(o.scores["changed"] for o in outcomes) >= 0.95 * len(outcomes)
    assert sum(o.scores["kept"] for o in outcomes) == 0
    assert all("something else changed" in o.reason for o in outcomes)


def test_the_source_picture_is_what_the_model_sees():
    sample = next(iter(TASK.samples()))
    assert TASK.request(sample, 0).image.tobytes() == picture(_drawn(sample).source).tobytes()


@pytest.mark.parametrize("size", [(32, 32), (128, 128), (512, 512), (200, 100)], ids=str)
def test_a_right_edit_is_right_at_any_resolution(size: tuple[int, int]):
    def resized(sample: Sample) -> Response:
        return Response(image=picture(_drawn(sample).target).resize(size))

    assert values_of(result_of(TASK, resized, 12))["success"] >= 0.9


def test_a_right_object_in_the_wrong_place_is_no_success():
    def mirrored(sample: Sample) -> Response:
        image = picture(_drawn(sample).target)
        return Response(image=image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((256, 256)))

    aside = [s for s in TASK.samples() if abs(_middle(_drawn(s).target) - 32) > 12]
    assert aside
    assert not any(TASK.score(s, mirrored(s)).scores["success"] for s in aside)


def test_a_changed_background_is_not_seen():
    # A known limit, stated in docs/tasks.md: the detector sees shapes, not paper.
    def on_white(sample: Sample) -> Response:
        right = np.asarray(picture(_drawn(sample).target))
        paper = (right == np.array(BACKGROUND)).all(-1, keepdims=True)
        return Response(image=Image.fromarray(np.where(paper, 255, right).astype(np.uint8)))

    assert values_of(result_of(TASK, on_white, 12))["kept"] == 1


def _middle(scene: Scene) -> float:
    """Horizontal middle of the scene's first object."""
    x0, _, x1, _ = scene.objects[0].box
    return (x0 + x1) / 2


def test_any_image_gets_a_verdict(odd_image: Image.Image):
    assert set(outcome_of(TASK, Response(image=odd_image)).scores) == {"success", "changed", "kept"}
