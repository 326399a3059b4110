"""Both backends of Mask2Former give the same objects from the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from harness.errors import CheckpointError, SpecError
from tasks.geneval.judging import judge_images
from tasks.judges import Instances, decode_mask
from tasks.judges.clip_colors import ClipColors
from tasks.judges.detectors import build_detector
from tasks.judges.mask2former import MAX_INSTANCES, instances_of, pad_together, prepare
from tasks.judges.mask2former.convert import convert, main
from tasks.judges.mask2former.names import convert_state_dict, pad_target
from tasks.judges.mask2former.preparation import scaled
from tasks.judges.mask2former.transformers_backend import TransformersMask2Former, swin_s_config
from tasks.scoring.geneval import parse_prompt
from tests.judges.clip_toys import TINY
from tests.judges.mask2former_toys import (
    photographs,
    stir,
    tiny_mmdet_config,
    tiny_transformers_config,
)

# mmcv-lite, mmdet and mmengine warn about their own future when they're imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SCORES, MASKS = 1e-4, 1e-3


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def official() -> Any:
    pytest.importorskip("mmdet", reason="mmdet is missing: pip install 'cheers-bench[mmdet]'")
    from tasks.judges.mask2former.mmdet_backend import MMDetMask2Former

    detector = MMDetMask2Former("random:1", config=tiny_mmdet_config())
    with torch.no_grad():
        stir(detector.model.state_dict())
    return detector


@pytest.fixture(scope="module")
def ported(official: Any, tmp_path_factory: pytest.TempPathFactory) -> TransformersMask2Former:
    folder = tmp_path_factory.mktemp("ported")
    convert(official.model.state_dict(), folder, tiny_transformers_config())
    return TransformersMask2Former(folder)


def _same(one: Any, other: Any) -> None:
    """Equal classes; equal numbers of objects; boxes, scores and masks within the tolerances."""
    assert set(one) == set(other)
    for name in one:
        a, b = _sorted(one[name]), _sorted(other[name])
        assert len(a.scores) == len(b.scores)
        np.testing.assert_allclose(a.scores, b.scores, atol=SCORES)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1)
        for x, y in zip(a.masks, b.masks, strict=True):
            assert np.mean(decode_mask(x) != decode_mask(y)) <= MASKS


def _sorted(found: Instances) -> Instances:
    """By score and then by box: equal scores may come in any order."""
    order = sorted(
        range(len(found.scores)),
        key=lambda i: (-round(float(found.scores[i]), 5), *found.boxes[i].tolist()),
    )
    masks = None if found.masks is None else tuple(found.masks[i] for i in order)
    return Instances(boxes=found.boxes[order], scores=found.scores[order], masks=masks)


def test_both_backends_see_the_same(official: Any, ported: TransformersMask2Former):
    images = photographs()
    seen = official.detect(images)
    assert all(len(found) > 3 for found in seen)
    assert max(float(i.scores.max()) for found in seen for i in found.values()) > 0.3
    for one, other in zip(seen, ported.detect(images), strict=True):
        assert sum(len(found.scores) for found in one.values()) == MAX_INSTANCES
        _same(one, other)


def test_logits_agree_before_any_post_processing(official: Any, ported: TransformersMask2Former):
    pixels = pad_together([prepare(photographs()[1]).pixels])
    with torch.inference_mode():
        ours = ported.model(pixel_values=pixels)
        head = official.model.panoptic_head
        sample = _sample(pixels)
        classes, masks = head(official.model.extract_feat(pixels), [sample])
    for mine, theirs in (
        (ours.class_queries_logits, classes[-1]),
        (ours.masks_queries_logits, masks[-1]),
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-4 * float(theirs.abs().max()))


def _sample(pixels: torch.Tensor) -> Any:
    from mmdet.structures import DetDataSample

    shape = tuple(pixels.shape[2:])
    return DetDataSample(metainfo={"batch_input_shape": shape, "img_shape": shape})


def test_preparation_is_mmdets(official: Any):
    from mmcv.transforms import Compose
    from mmdet.utils import get_test_pipeline_cfg

    settings = get_test_pipeline_cfg(tiny_mmdet_config())
    settings[0].type = "mmdet.LoadImageFromNDArray"
    image = photographs()[2]
    batch = Compose(settings)({"img": image[..., ::-1].copy(), "img_id": 0})
    prepared = official.model.data_preprocessor(
        {"inputs": [batch["inputs"]], "data_samples": [batch["data_samples"]]}, False
    )["inputs"]
    torch.testing.assert_close(prepared, pad_together([prepare(image).pixels]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 4])
def test_batches_change_nothing(ported: TransformersMask2Former, batch: int):
    square, wide, tall = photographs()
    detector = TransformersMask2Former("random:0", config=tiny_transformers_config(), batch=batch)
    detector.model.load_state_dict(ported.model.state_dict())
    together = detector.detect([square, tall, square, wide, square])
    alone = [ported.detect([image])[0] for image in (square, tall, wide)]
    for found, expected in zip(together, (0, 1, 0, 2, 0), strict=True):
        _same(found, alone[expected])


def test_both_backends_lead_to_the_same_verdicts(official: Any, ported: TransformersMask2Former):
    images, colors = photographs(), ClipColors("random:1", architecture=TINY)
    label = max(ported.detect(images[:1])[0].items(), key=lambda item: item[1].scores.max())[0]
    include = [{"class": label, "count": 1, "color": "red"}]
    record = {"tag": "colors", "include": include, "prompt": f"a photo of a red {label}"}
    specs = [parse_prompt(record)] * len(images)
    ours, theirs = (
        judge_images(specs, images, detector, lambda: colors) for detector in (ported, official)
    )
    assert [one.judgement for one in ours] == [one.judgement for one in theirs]
    assert any(label in one.objects for one in ours)
    assert any("red" in one.judgement.reason or one.judgement.correct for one in ours)


def test_no_images_are_fine(ported: TransformersMask2Former):
    assert ported.detect([]) == []


def test_names_of_mmdet_two_are_understood(official: Any):
    state = official.model.state_dict()
    old = {}
    for name, tensor in state.items():
        number = "1" if "transformer_decoder" in name else "0"
        renamed = name
        if name.startswith("panoptic_head"):
            renamed = renamed.replace(".cross_attn.", ".attentions.0.").replace(".ffn.", ".ffns.0.")
            renamed = renamed.replace(".self_attn.", f".attentions.{number}.")
        old[renamed] = tensor
    assert set(old) != set(state)
    converted, expected = convert_state_dict(old), convert_state_dict(state)
    assert set(converted) == set(expected)
    assert all(torch.equal(converted[name], tensor) for name, tensor in expected.items())


def test_strange_names_are_refused():
    with pytest.raises(CheckpointError, match=r"roi_head\.fc"):
        convert_state_dict({"roi_head.fc.weight": torch.zeros(1)})


def test_what_does_not_fit_is_named(official: Any):
    from transformers import Mask2FormerForUniversalSegmentation

    target = Mask2FormerForUniversalSegmentation(tiny_transformers_config()).state_dict()
    converted = convert_state_dict(official.model.state_dict())
    del converted["class_predictor.bias"]
    with pytest.raises(CheckpointError, match=r"class_predictor\.bias is missing"):
        pad_target(converted, target)


def test_half_a_checkpoint_is_refused(official: Any, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    convert(official.model.state_dict(), tmp_path, tiny_transformers_config())
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    name = next(name for name in state if "class_predictor" in name)
    state["other"] = state.pop(name)
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"don't fit.*class_predictor"):
        TransformersMask2Former(tmp_path)


def test_weights_of_another_configuration_are_refused(official: Any, tmp_path: Path):
    from tasks.judges.mask2former.mmdet_backend import MMDetMask2Former

    state = dict(official.model.state_dict())
    state["panoptic_head.cls_embed.bias"] = torch.zeros(3)
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"cls_embed\.bias is \(3,\), not \(81,\)"):
        MMDetMask2Former(tmp_path / "w.pth", config=tiny_mmdet_config())


def test_a_stored_checkpoint_gives_the_same_objects(
    official: Any, ported: TransformersMask2Former, tmp_path: Path
):
    from tasks.judges.mask2former.mmdet_backend import MMDetMask2Former

    torch.save({"state_dict": official.model.state_dict(), "meta": {}}, tmp_path / "w.pth")
    stored = MMDetMask2Former(tmp_path / "w.pth", config=tiny_mmdet_config())
    image = photographs()[:1]
    _same(stored.detect(image)[0], ported.detect(image)[0])
    identity = stored.identity()
    assert identity.weights_sha256 is not None
    assert identity.settings["operators"] in ("compiled", "plain torch")
    assert ported.identity().weights_sha256 != identity.weights_sha256


def test_the_command_wants_the_official_size(official: Any, tmp_path: Path):
    torch.save({"state_dict": official.model.state_dict()}, tmp_path / "w.pth")
    done = CliRunner().invoke(main, [str(tmp_path / "w.pth"), str(tmp_path / "out")])
    assert isinstance(done.exception, CheckpointError)
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_the_official_configuration_is_found_under_both_names():
    pytest.importorskip("mmdet", reason="mmdet is missing: pip install 'cheers-bench[mmdet]'")
    from tasks.judges.mask2former.mmdet_backend import CONFIG, mmdet_config

    new = mmdet_config(CONFIG)
    old = mmdet_config("mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco")
    assert new.model.backbone.depths == old.model.backbone.depths == [2, 2, 18, 2]
    with pytest.raises(SpecError, match="no configuration 'mask_rcnn_x'"):
        mmdet_config("mask_rcnn_x")


@pytest.mark.slow
def test_full_size_networks_agree(tmp_path: Path):
    pytest.importorskip("mmdet", reason="mmdet is missing: pip install 'cheers-bench[mmdet]'")
    from tasks.judges.mask2former.mmdet_backend import MMDetMask2Former

    official = MMDetMask2Former("random:1")
    with torch.no_grad():
        stir(official.model.state_dict())
    convert(official.model.state_dict(), tmp_path, swin_s_config())
    image = photographs()[:1]
    _same(official.detect(image)[0], TransformersMask2Former(tmp_path).detect(image)[0])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 512), (800, 800)), ((300, 900), (444, 1333)), ((1024, 768), (1067, 800))],
)
def test_sizes_after_scaling(size: tuple[int, int], expected: tuple[int, int]):
    assert scaled(*size) == expected


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_other_arrays_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="expected"):
        prepare(np.zeros(shape, np.uint8))


def test_post_processing_of_a_known_mask():
    classes = torch.full((1, 3), -9.0)
    classes[0, 1] = 9.0
    masks = torch.full((1, 8, 8), -20.0)
    masks[0, :4, :4] = 20.0
    found = instances_of(
        classes, masks, padded=(32, 32), inner=(32, 32), size=(32, 32), classes=("a", "b")
    )
    assert found["b"].scores[0] == pytest.approx(1, abs=5e-3)
    x0, y0, x1, y1 = found["b"].boxes[0]
    assert (x0, y0) == (0, 0)
    assert abs(x1 - 16) <= 2
    assert abs(y1 - 16) <= 2


def test_an_empty_mask_scores_nothing():
    found = instances_of(
        torch.zeros(2, 3),
        torch.full((2, 4, 4), -5.0),
        padded=(16, 16),
        inner=(16, 16),
        size=(8, 8),
        classes=("a", "b"),
    )
    assert all(not i.scores.any() and not i.boxes.any() for i in found.values())


def test_random_weights_are_named_and_leave_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    detector = TransformersMask2Former("random:5", config=tiny_transformers_config())
    assert torch.equal(torch.rand(2), expected)
    assert detector.identity().settings["weights"] == "random:5"
    assert detector.identity().weights_sha256 is None


def test_the_factory_names_what_is_wrong(tmp_path: Path):
    with pytest.raises(SpecError, match="transformers"):
        build_detector("transformer", None)
    with pytest.raises(SpecError, match="needs weights"):
        build_detector("mmdet", None)
    with pytest.raises(CheckpointError, match="no Mask2Former weights"):
        build_detector("transformers", str(tmp_path))


def test_the_classical_detector_sees_shapes():
    from tasks.shapes.dataset import picture, pixels
    from tasks.shapes.world import generation_sample

    detector = build_detector("classical", None)
    found = detector.detect([pixels(picture(generation_sample(0, "test", 3).scene))])[0]
    assert list(found) == ["circle"]
    assert found["circle"].masks is None
    assert found["circle"].rows().shape == (1, 5)
