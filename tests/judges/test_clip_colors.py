"""Colours by CLIP: the original way of working is the reference; nothing is guessed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from harness.errors import CheckpointError, SpecError
from tasks.judges import Crop, decode_mask, encode_mask
from tasks.judges.clip_colors import TEMPLATES, ClipColors, cut_out
from tasks.judges.clip_network import load_network, trained_activation
from tasks.judges.colors import build_color_judge
from tasks.scoring.geneval.metadata import COLORS
from tests.judges.clip_toys import TINY, crops


@pytest.fixture(scope="module")
def tiny() -> ClipColors:
    return ClipColors("random:1", architecture=TINY)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    model = load_network("random:1", "quickgelu", TINY, "cpu").model
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    return path


def _one_by_one(judge: ClipColors, crop: Crop) -> str:
    """One crop, as the original classifies it: composite, crop, ten averaged prompts."""
    network = judge.network
    image = Image.fromarray(crop.image)
    if crop.mask is not None:
        grey = Image.new("RGB", image.size, color="#999")
        image = Image.composite(image, grey, Image.fromarray(decode_mask(crop.mask)))
    image = image.crop(tuple(crop.box.tolist()))
    columns = []
    for color in COLORS:
        texts = [t.format(color=color, label=crop.label) for t in TEMPLATES]
        vector = F.normalize(network.encode_texts(texts), dim=-1).mean(0)
        columns.append(vector / vector.norm())
    pixels = network.prepare(image)[None]
    logits = 100 * F.normalize(network.encode_images(pixels), dim=-1) @ torch.stack(columns, 1)
    return COLORS[int(logits.argmax(1))]


def test_batched_labels_are_those_of_one_by_one(tiny: ClipColors):
    many = crops(48)
    labels = tiny.classify(many)
    assert labels == [_one_by_one(tiny, crop) for crop in many]
    assert len(set(labels)) > 1


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_batch_size_and_order_change_nothing(batch: int):
    judge = ClipColors("random:1", architecture=TINY, batch=batch)
    many = crops(20)
    forward = judge.scores(many)
    torch.testing.assert_close(forward, judge.scores(many[::-1]).flip(0), rtol=0, atol=1e-6)
    torch.testing.assert_close(
        forward, ClipColors("random:1", architecture=TINY).scores(many), rtol=0, atol=1e-6
    )


def test_nothing_to_classify_is_fine(tiny: ClipColors):
    assert tiny.classify([]) == []


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_cutting_out_is_pils_composite_and_crop(data: st.DataObject):
    width, height = data.draw(st.integers(4, 20)), data.draw(st.integers(4, 20))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width)) < 0.5
    x0, y0 = (data.draw(st.floats(-2, 3, width=32)) for _ in range(2))
    box = [x0, y0, x0 + data.draw(st.floats(1, 30)), y0 + data.draw(st.floats(1, 30))]
    crop = Crop(image=pixels, label="x", box=np.array(box, np.float32), mask=encode_mask(mask))
    image = Image.fromarray(pixels)
    grey = Image.new("RGB", image.size, "#999")
    whole = Image.composite(image, grey, Image.fromarray(mask))
    expected = whole.crop(tuple(crop.box.tolist()))
    assert np.array_equal(np.asarray(cut_out(crop)), np.asarray(expected))


def test_a_mask_of_another_size_is_refused():
    crop = Crop(
        image=np.zeros((4, 4, 3), np.uint8),
        label="cow",
        box=np.array([0, 0, 2, 2], np.float32),
        mask=encode_mask(np.ones((4, 5))),
    )
    with pytest.raises(ValueError, match=r"mask of \(4, 5\)"):
        cut_out(crop)


def test_an_empty_box_is_refused(tiny: ClipColors):
    crop = Crop(
        image=np.zeros((9, 9, 3), np.uint8),
        label="cow",
        box=np.array([2, 2, 2.2, 8], np.float32),
        mask=None,
    )
    with pytest.raises(ValueError, match="'cow' is empty"):
        tiny.classify([crop])


def test_prompts_of_a_class_are_embedded_once(tiny: ClipColors, monkeypatch: pytest.MonkeyPatch):
    judge = ClipColors("random:1", architecture=TINY)
    seen: list[str] = []
    embed = judge._embed
    monkeypatch.setattr(judge, "_embed", lambda label: (seen.append(label), embed(label))[1])
    judge.classify(crops(12))
    judge.classify(crops(12))
    assert sorted(seen) == ["cow", "dog", "tv remote"]


def test_stored_weights_are_read_back(weights: Path, tiny: ClipColors):
    judge = ClipColors(weights, architecture=TINY)
    assert torch.equal(judge.scores(crops(8)), tiny.scores(crops(8)))
    identity = judge.identity()
    assert identity.weights_sha256 is not None
    assert identity.settings["activation"] == "quickgelu"
    assert identity.version == f"open_clip {open_clip.__version__}"
    assert tiny.identity().weights_sha256 is None
    assert tiny.identity().settings["weights"] == "random:1"


def test_a_plain_state_dict_is_read_too(weights: Path, tmp_path: Path, tiny: ClipColors):
    from safetensors.torch import load_file

    torch.save({"state_dict": load_file(weights)}, tmp_path / "weights.pt")
    judge = ClipColors(tmp_path / "weights.pt", architecture=TINY)
    assert torch.equal(judge.scores(crops(4)), tiny.scores(crops(4)))


def test_the_activation_changes_scores():
    quick, plain = (
        ClipColors("random:1", architecture=TINY, activation=name)
        for name in ("quickgelu", "legacy-gelu")
    )
    assert not torch.equal(quick.scores(crops(8)), plain.scores(crops(8)))
    assert quick.identity() != plain.identity()
    assert plain.identity().id == "clip-legacy-gelu"


def _beside(weights: Path, *, quick: bool) -> None:
    config = {**TINY, "quick_gelu": True} if quick else TINY
    (weights.parent / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))


@pytest.mark.parametrize("quick", [True, False])
def test_the_other_activation_is_refused(weights: Path, *, quick: bool):
    _beside(weights, quick=quick)
    own, other = ("quickgelu", "gelu") if quick else ("gelu", "quickgelu")
    assert trained_activation(weights) == own
    ClipColors(weights, architecture=TINY, activation=own)
    with pytest.raises(CheckpointError, match=f"(?s)trained with {own}.*use activation {own}"):
        ClipColors(weights, architecture=TINY, activation=other)


def test_plain_gelu_is_had_by_its_legacy_name(weights: Path):
    _beside(weights, quick=True)
    judge = ClipColors(weights, architecture=TINY, activation="legacy-gelu")
    assert judge.identity().settings["activation"] == "legacy-gelu"


def test_without_a_configuration_nothing_is_known(weights: Path):
    assert trained_activation(weights) is None


def test_a_broken_configuration_is_named(weights: Path):
    (weights.parent / "open_clip_config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="open_clip_config"):
        ClipColors(weights, architecture=TINY)


def test_open_clip_itself_falls_into_the_trap(weights: Path):
    """Why the activation is ours to decide: the plain architecture's name means plain GELU."""
    assert open_clip.get_model_config("ViT-L-14").get("quick_gelu", False) is False
    assert open_clip.get_model_config("ViT-L-14-quickgelu")["quick_gelu"] is True


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda state: state.pop("visual.proj"), "visual.proj is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra isn't CLIP's"),
        (lambda state: state.update({"visual.proj": torch.zeros(2, 2)}), r"is \(2, 2\), not"),
    ],
)
def test_weights_that_do_not_fit_are_named(weights: Path, change, named: str):  # noqa: ANN001
    from safetensors.torch import load_file

    state = load_file(weights)
    change(state)
    save_file(state, weights)
    with pytest.raises(CheckpointError, match=named):
        ClipColors(weights, architecture=TINY)


def test_a_torchscript_archive_is_refused(tmp_path: Path):
    path = tmp_path / "ViT-L-14.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/code/__torch__.py", "")
    with pytest.raises(CheckpointError, match="TorchScript program"):
        ClipColors(path, architecture=TINY)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("touched-by-a-pickle"),))


def test_a_pickle_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Evil()}, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="can't be read safely"):
        ClipColors(tmp_path / "weights.pt", architecture=TINY)
    assert not Path("touched-by-a-pickle").exists()


@pytest.mark.parametrize("content", [b"", b"garbage" * 9])
def test_damaged_files_are_named(tmp_path: Path, content: bytes):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="can't be read safely"):
        ClipColors(path, architecture=TINY)


def test_missing_files_and_unknown_names_are_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no CLIP weights"):
        ClipColors(tmp_path / "none.safetensors", architecture=TINY)
    with pytest.raises(CheckpointError, match="ViT-L-14"):
        ClipColors("random:0", architecture="ViT-L-41")
    with pytest.raises(SpecError, match="clip"):
        build_color_judge("clib", None)
    with pytest.raises(SpecError, match="needs weights"):
        build_color_judge("clip", None)


def test_random_weights_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ClipColors("random:0", architecture=TINY)
    assert torch.equal(torch.rand(3), expected)


def test_the_palette_is_built_by_name():
    assert build_color_judge("classical", None).identity().id == "palette"
