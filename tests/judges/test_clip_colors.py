"""Colours by CLIP: the original way of working is the reference; nothing is guessed."""

from __future__ import annotations

import hashlib
import json
import re
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
from tasks.judges import Crop, clip_network, decode_mask, encode_mask
from tasks.judges.activations import compare_activations
from tasks.judges.clip_colors import TEMPLATES, ClipColors, cut_out
from tasks.judges.clip_network import Activation, load_network, trained_activation
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


def test_how_much_the_activation_changes_is_measured():
    """With deep random weights the two disagree often; with one and the same, never."""
    deep = {**TINY, "vision_cfg": {**TINY["vision_cfg"], "layers": 8}}
    many = crops(120)
    found = compare_activations(many, "random:1", architecture=deep)
    labels = [
        ClipColors("random:1", architecture=deep, activation=name).classify(many)
        for name in ("quickgelu", "legacy-gelu")
    ]
    pairs = [(n, a, b) for n, (a, b) in enumerate(zip(*labels, strict=True)) if a != b]
    assert list(found.differing) == pairs
    assert found.crops == 120
    assert found.equal == 120 - len(pairs)
    assert 0 < found.equal < 120
    assert found.shift > 0
    assert found.kappa.value is not None
    assert found.kappa.value < 1
    same = compare_activations(
        many, "random:1", activations=("gelu", "legacy-gelu"), architecture=deep
    )
    assert (same.equal, same.shift, same.differing) == (120, 0.0, ())
    with pytest.raises(ValueError, match="no crops"):
        compare_activations([], "random:1", architecture=deep)


@pytest.mark.parametrize("activation", ["quickgelu", "gelu"])
def test_images_and_texts_are_embedded_as_open_clip_embeds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, activation: Activation
):
    """Against open_clip's own factory, preparation, tokenizer and zero-shot classifier."""
    weights = tmp_path / "weights.safetensors"
    judge = ClipColors("random:1", architecture=TINY, activation=activation)
    save_file({k: v.contiguous() for k, v in judge.network.model.state_dict().items()}, weights)
    config = {**TINY, "quick_gelu": activation == "quickgelu"}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "toy", config)
    model, _, prepare = open_clip.create_model_and_transforms("toy", pretrained=str(weights))
    model.eval()
    tokenizer = open_clip.get_tokenizer("ViT-L-14")
    image = cut_out(crops(1)[0])
    assert torch.equal(prepare(image), judge.network.prepare(image))
    with torch.no_grad():
        expected = model.encode_image(prepare(image)[None], normalize=True)
        texts = open_clip.build_zero_shot_classifier(
            model,
            tokenizer,
            COLORS,
            [lambda c, t=t: t.format(color=c, label="cow") for t in TEMPLATES],
            num_classes_per_batch=None,
        )
    found = judge.network.encode_images(judge.network.prepare(image)[None])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(judge._of_class("cow"), texts.T)


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
    judge = ClipColors(weights, architecture=TINY, activation="gelu")
    assert judge.identity().settings["trained_activation"] == "unknown"


@pytest.mark.parametrize(
    "place",
    [
        "ViT-L-14-openai.safetensors",
        "models--timm--vit_large_patch14_clip_224.openai/snapshots/46ce2a8/weights.safetensors",
    ],
)
def test_openais_weights_are_known_by_their_tag(weights: Path, tmp_path: Path, place: str):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    weights.rename(path)
    _is_quickgelus(path)


def test_openais_weights_are_known_by_what_is_stored_with_them(weights: Path):
    from safetensors.torch import load_file

    facts = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
    save_file(load_file(weights) | {k: torch.tensor(v) for k, v in facts.items()}, weights)
    _is_quickgelus(weights)


def test_openais_weights_are_known_by_hash(weights: Path, monkeypatch: pytest.MonkeyPatch):
    known = clip_network._openai_hashes()
    assert "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836" in known  # ViT-L/14
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in known)
    own = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setattr(clip_network, "_openai_hashes", lambda: frozenset({own}))
    _is_quickgelus(weights)


def _is_quickgelus(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)trained with quickgelu.*legacy-gelu by name"):
        ClipColors(path, architecture=TINY, activation="gelu")
    judge = ClipColors(path, architecture=TINY)
    assert judge.identity().settings["trained_activation"] == "quickgelu"
    ClipColors(path, architecture=TINY, activation="legacy-gelu")


@pytest.mark.parametrize("place", ["openai-tools/weights.safetensors", "myopenai.safetensors"])
def test_a_name_that_only_resembles_the_tag_says_nothing(weights: Path, tmp_path: Path, place: str):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    weights.rename(path)
    assert trained_activation(path) is None


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_refused(device: str):
    with pytest.raises(SpecError, match=device):
        ClipColors("random:0", architecture=TINY, device=device)


@pytest.mark.parametrize(
    ("name", "activation"),
    [("clip", "quickgelu"), ("clip-legacy-gelu", "legacy-gelu"), ("clip-gelu", "gelu")],
)
def test_each_name_computes_with_its_activation(name: str, activation: str):
    judge = build_color_judge(name, "random:3", architecture=TINY)
    identity = judge.identity()
    assert identity.settings["activation"] == activation
    assert identity.settings["weights"] == "random:3"
    assert identity.settings["templates"] == list(TEMPLATES)
    assert set(judge.classify(crops(6))) <= set(COLORS)


def test_no_batch_is_refused():
    with pytest.raises(SpecError, match="0 crops"):
        ClipColors("random:0", architecture=TINY, batch=0)


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
    with pytest.raises(CheckpointError, match=r"(?s)TorchScript program.*state_dict"):
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
