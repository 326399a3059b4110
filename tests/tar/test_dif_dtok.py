"""Dif-DTok: SANA drawn from TA-Tok's features, by a tiny random pipeline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from harness.errors import AdapterError, CheckpointError
from harness.records import (
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    ReconstructRequest,
    Response,
)
from harness.seeds import stream_seed
from model_adapters.diffusers_pipeline.quiet import quietly
from model_adapters.tar.adapter import TarAdapter
from tests.adapters import tiny_pipelines
from tests.tar.conftest import TINY

SIDE = 32
WIDTH = 24


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden folder with a tiny SANA; its text encoder is missing, as nothing may need it."""
    folder = Path(shutil.copytree(TINY, tmp_path_factory.mktemp("dif") / "tar"))
    families = tiny_pipelines.FAMILIES
    families["tar-sana"] = lambda: tiny_pipelines.sana(captions=WIDTH, side=SIDE // 2)
    try:
        tiny_pipelines.save_tiny_pipeline(folder / "sana", "tar-sana")
    finally:
        del families["tar-sana"]
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / "sana" / part)
    noise = torch.randn(81, WIDTH, generator=torch.Generator().manual_seed(3))
    save_file({"negative_prompt_embeds": noise}, folder / "sana/negative_prompt_embeds.safetensors")
    return folder


@pytest.fixture(scope="module")
def adapter(checkpoint: Path) -> TarAdapter:
    return build(checkpoint, steps=3)


def build(folder: Path, **options: Any) -> TarAdapter:
    return TarAdapter(str(folder), device="cpu", detokenizer="dif-dtok", **options)


def features(adapter: TarAdapter) -> torch.Tensor:
    with safe_open(TINY / "golden.safetensors", "pt") as reader:
        golden: torch.Tensor = reader.get_tensor("ta.scale1.features_from_indices")
    return golden


def apart(first: Image.Image | None, second: Image.Image | None) -> int:
    return int(np.abs(np.asarray(first, dtype=int) - np.asarray(second, dtype=int)).max())


def shown(number: int) -> Image.Image:
    with safe_open(TINY / "golden.safetensors", "pt") as reader:
        return Image.fromarray(reader.get_tensor("ta.image_uint8")[number].numpy())


def reconstructed(adapter: TarAdapter, *seeds: int) -> list[Response]:
    return adapter.reconstruct([ReconstructRequest(image=shown(n), seed=n) for n in seeds])


def by_hand(adapter: TarAdapter, number: int, scale: float) -> Image.Image:
    """Euler steps of flow matching over the transformer, with guidance written out."""
    pipeline = adapter._parts.detokenizer._pipeline
    condition = features(adapter)[number : number + 1]
    negative = adapter._parts.detokenizer._negatives[None]
    mask = torch.ones(1, 81)
    generator = torch.Generator().manual_seed(stream_seed(number, "noise"))
    x = torch.randn(1, 4, SIDE // 2, SIDE // 2, generator=generator)
    pipeline.scheduler.set_timesteps(3)
    sigmas = pipeline.scheduler.sigmas
    with torch.no_grad():
        for t, now, then in zip(pipeline.scheduler.timesteps, sigmas, sigmas[1:], strict=False):
            v, u = (
                pipeline.transformer(
                    x,
                    encoder_hidden_states=given,
                    encoder_attention_mask=mask,
                    timestep=t[None],
                    return_dict=False,
                )[0]
                for given in (condition, negative)
            )
            x = x + (then - now) * (u + scale * (v - u))
        pixels = pipeline.vae.decode(x / pipeline.vae.config.scaling_factor).sample[0]
    levels = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() * 255
    return Image.fromarray(levels.round().astype(np.uint8))


@pytest.mark.parametrize("scale", [4.0, 1.0])
def test_a_picture_is_drawn_from_the_features(checkpoint: Path, scale: float):
    adapter = build(checkpoint, steps=3, cfg_scale=scale)
    for number, response in enumerate(reconstructed(adapter, 0, 1)):
        assert apart(response.image, by_hand(adapter, number, scale)) <= 1
        assert response.usage.nfe == (6 if scale > 1 else 3)


def test_pictures_depend_on_the_request_alone(adapter: TarAdapter):
    prompts = ("a cat", "", "four red cups, please")
    requests = [GenerateImageRequest(prompt=p, seed=n) for n, p in enumerate(prompts)]
    together, backwards = adapter.generate_image(requests), adapter.generate_image(requests[::-1])
    for n, request in enumerate(requests):
        (alone,) = adapter.generate_image([request])
        assert alone.image is not None
        assert alone.image.size == (SIDE, SIDE)
        assert apart(alone.image, together[n].image) <= 1
        assert apart(alone.image, backwards[-1 - n].image) <= 1
        assert alone.usage.nfe == 6
        assert (alone.finish_reason is FinishReason.LENGTH) == (alone.usage.vision_tokens < 81)
    assert apart(together[0].image, together[1].image) > 1


def test_decoding_is_the_request_s(adapter: TarAdapter):
    def ask(**fields: Any) -> Response:
        decoding = ImageDecoding(**fields)
        return adapter.generate_image([GenerateImageRequest(prompt="a cat", decoding=decoding)])[0]

    assert ask(steps=2).usage.nfe == 4
    assert ask(cfg_scale=1.0).usage.nfe == 3
    assert apart(ask().image, ask(steps=3, cfg_scale=4.0, width=SIDE, height=SIDE).image) == 0
    for fields, message in (({"alpha": 0.5}, "takes no alpha"), ({"width": 64}, "32x32 pixels")):
        with pytest.raises(AdapterError, match=message):
            ask(**fields)


def test_guidance_needs_embeddings_of_the_scale(checkpoint: Path):
    adapter = build(checkpoint, steps=2, draw_scale=1)
    request = GenerateImageRequest(prompt="a cat")
    with pytest.raises(AdapterError, match="for 81 image tokens, and the picture has 16") as caught:
        adapter.generate_image([request])
    assert "cfg_scale=1" in caught.value.remedy
    unguided = build(checkpoint, steps=2, draw_scale=1, cfg_scale=1)
    assert unguided.generate_image([request])[0].usage.nfe == 2


def test_identity_covers_scheduler_and_embeddings(checkpoint: Path, tmp_path: Path):
    ours = build(checkpoint).fingerprint()
    found = json.loads(json.dumps(ours.config["detokenizer"]))
    assert found["kind"] == "dif-dtok"
    assert "shift" in found["components"]["scheduler"]["config"]
    assert ours.defaults["steps"] == 20
    assert ours.defaults["cfg_scale"] == 4.0
    folder = Path(shutil.copytree(checkpoint, tmp_path / "tar"))
    path = folder / "sana" / "negative_prompt_embeds.safetensors"
    save_file({"negative_prompt_embeds": torch.zeros(81, WIDTH)}, path)
    assert build(folder).fingerprint().weights_sha256 != ours.weights_sha256


def test_its_transformer_computes_in_its_own_type(checkpoint: Path):
    adapter = build(checkpoint, steps=2, detokenizer_dtype="bfloat16")
    pipeline = adapter._parts.detokenizer._pipeline
    assert pipeline.transformer.dtype == torch.bfloat16
    assert pipeline.vae.dtype == torch.float32
    assert reconstructed(adapter, 0)[0].image.size == (SIDE, SIDE)


def test_seconds_go_to_components(adapter: TarAdapter):
    with adapter.watch_components(count=False) as timed:
        reconstructed(adapter, 0)
    assert timed["sana"].seconds > 0
    assert timed["sana_vae_decode"].seconds > 0


def test_what_does_not_fit_is_named(checkpoint: Path, tmp_path: Path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "tar"))
    with pytest.raises(CheckpointError, match="draws 32x32 pixels, not 256"):
        build(folder, preset="geneval-script")
    (folder / "sana").rename(folder / "sana-32")
    with pytest.raises(CheckpointError, match="no SANA pipeline"):
        build(folder)
    assert build(folder, sana="sana-32").fingerprint().config["detokenizer"]["size"] == 32
    negatives = folder / "sana-32" / "negative_prompt_embeds.safetensors"
    save_file({"negative_prompt_embeds": torch.zeros(81, 16)}, negatives)
    with pytest.raises(CheckpointError, match="negative embeddings of 16, but TA-Tok's"):
        build(folder, sana="sana-32")
    negatives.rename(negatives.with_suffix(".pth"))
    with pytest.raises(CheckpointError, match="is a pickle") as caught:
        build(folder, sana="sana-32")
    assert "tar.convert" in caught.value.remedy


def test_stock_sana_is_refused(checkpoint: Path, tmp_path: Path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "tar"))
    with quietly():
        tiny_pipelines.save_tiny_pipeline(tmp_path / "stock", "sana")
    shutil.copy(folder / "sana" / "negative_prompt_embeds.safetensors", tmp_path / "stock")
    with pytest.raises(CheckpointError, match="takes conditions of width 16") as caught:
        build(folder, sana=str(tmp_path / "stock"))
    assert "csuhan/Tar-SANA" in caught.value.remedy
