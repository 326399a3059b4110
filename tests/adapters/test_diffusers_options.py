"""diffusers pipelines with a LoRA, offloaded, with tensors to spare, and closed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.conformance import Status, check_closing
from harness.errors import AdapterError, CheckpointError, SpecError
from harness.records import GenerateImageRequest
from model_adapters.diffusers_pipeline import loading
from model_adapters.diffusers_pipeline.adapter import DiffusersPipeline
from model_adapters.diffusers_pipeline.lora import find_lora
from tests.adapters.tiny_pipelines import save_tiny_pipeline

RANK = 2
REQUEST = [GenerateImageRequest(prompt="a cat", seed=1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_pipeline(tmp_path_factory.mktemp("sd") / "pipeline", "sd")


def built(folder: Path, **arguments: Any) -> DiffusersPipeline:
    return DiffusersPipeline(str(folder), **{"device": "cpu", "steps": 2, **arguments})


def layers(adapter: DiffusersPipeline) -> dict[str, torch.Tensor]:
    """Weights of the attention's queries, which the LoRA adapts."""
    modules = adapter._pipeline.unet.named_modules()
    return {
        name: module.weight.detach().clone() for name, module in modules if name.endswith("to_q")
    }


def lora_tensors(weights: dict[str, torch.Tensor], prefix: str = "unet.") -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    found = {}
    for name, weight in weights.items():
        rows, columns = weight.shape
        found[f"{prefix}{name}.lora_A.weight"] = torch.randn(RANK, columns, generator=generator)
        found[f"{prefix}{name}.lora_B.weight"] = torch.randn(rows, RANK, generator=generator)
    return found


@pytest.fixture(scope="module")
def plain(folder: Path) -> DiffusersPipeline:
    return built(folder)


@pytest.fixture
def lora(plain: DiffusersPipeline, tmp_path: Path) -> Path:
    save_file(lora_tensors(layers(plain)), tmp_path / "lora.safetensors")
    return tmp_path / "lora.safetensors"


def difference(one: DiffusersPipeline, other: DiffusersPipeline) -> int:
    first, second = (adapter.generate_image(REQUEST)[0].image for adapter in (one, other))
    pairs = zip(first.tobytes(), second.tobytes(), strict=True)
    return max(abs(a - b) for a, b in pairs)


needs_peft = pytest.mark.usefixtures("_peft")


@pytest.fixture
def _peft() -> None:
    pytest.importorskip("peft")


@needs_peft
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_lora_is_added_to_the_weights(
    folder: Path, plain: DiffusersPipeline, lora: Path, scale: float
):
    adapted = built(folder, lora=str(lora), lora_scale=scale)
    tensors, before, after = load_file(lora), layers(plain), layers(adapted)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        product = tensors[f"unet.{name}.lora_B.weight"] @ tensors[f"unet.{name}.lora_A.weight"]
        assert torch.allclose(after[name], weight + scale * product, atol=1e-5)
    assert difference(plain, adapted) > 10


@needs_peft
def test_its_file_and_scale_are_part_of_the_identity(
    folder: Path, plain: DiffusersPipeline, lora: Path
):
    import hashlib

    whole, half = (built(folder, lora=str(lora.parent), lora_scale=s) for s in (1.0, 0.5))
    found = [adapter.fingerprint() for adapter in (plain, whole, half)]
    assert len({print_.weights_sha256 for print_ in found}) == 3
    assert len({print_.parameters for print_ in found}) == 1
    sha256 = hashlib.sha256(lora.read_bytes()).hexdigest()
    assert found[2].config["lora"] == {"sha256": sha256, "scale": 0.5}
    assert "lora" not in found[0].config
    assert str(lora.parent) not in str(found[1])


@needs_peft
def test_it_holds_for_edits_too(folder: Path, plain: DiffusersPipeline, lora: Path):
    from harness.records import EditImageRequest
    from tasks.probes.inputs import picture

    request = [EditImageRequest(prompt="x", image=picture(1, 32, 32), seed=1)]
    one, other = (
        built(folder, strength=0.9, **given).edit_image(request)[0].image
        for given in ({}, {"lora": str(lora)})
    )
    assert one.tobytes() != other.tobytes()


@needs_peft
def test_a_lora_of_another_pipeline_is_refused(folder: Path, lora: Path):
    tensors = load_file(lora)
    tensors |= lora_tensors({"nowhere.to_q": torch.zeros(8, 8)})
    save_file(tensors, lora)
    with pytest.raises(CheckpointError, match=r"adapts 9 layers, of which Stable\w+ has 8"):
        built(folder, lora=str(lora))
    save_file({"x": torch.zeros(1)}, lora)
    with pytest.raises(CheckpointError, match=str(lora)):
        built(folder, lora=str(lora))
    lora.write_bytes(b"\x10")
    with pytest.raises(CheckpointError, match="can't be loaded as a LoRA"):
        built(folder, lora=str(lora))


@needs_peft
def test_pickles_and_folders_of_several_are_refused(folder: Path, lora: Path, tmp_path: Path):
    (tmp_path / "lora.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"lora.bin is no .safetensors file"):
        built(folder, lora=str(tmp_path / "lora.bin"))
    save_file({"x": torch.zeros(1)}, tmp_path / "another.safetensors")
    with pytest.raises(CheckpointError, match=r"holds 2 .safetensors files"):
        built(folder, lora=str(tmp_path))
    with pytest.raises(CheckpointError, match="/no/where"):
        built(folder, lora="/no/where")


def test_without_peft_the_extra_is_named(lora: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(AdapterError, match="needs the package peft") as caught:
        find_lora(str(lora))
    assert "cheers-bench[diffusers]" in caught.value.remedy


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"offload": "model"}, "the device is cpu"),
        ({"offload": "half"}, "offload='half'"),
        ({"lora_scale": -1}, "lora_scale=-1"),
        ({"extra_tensors": "ignore"}, "extra_tensors='ignore'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(folder: Path, arguments: dict[str, Any], said: str):
    with pytest.raises(SpecError, match=said):
        built(folder, **arguments)


@pytest.mark.parametrize("how", ["model", "sequential"])
def test_offloading_is_accelerates_on_the_device(folder: Path, how: str):
    calls: list[tuple[str, str]] = []

    class Pipeline:
        def enable_model_cpu_offload(self, device: str) -> None:
            calls.append(("model", device))

        def enable_sequential_cpu_offload(self, device: str) -> None:
            calls.append(("sequential", device))

    loading.offload(Pipeline(), how, "cuda:1")
    assert calls == [(how, "cuda:1")]


@pytest.fixture
def spare(folder: Path, tmp_path: Path) -> Path:
    """A copy whose UNet's file holds a tensor too many."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(file) | {"ema.decay": torch.zeros(1)}, file, metadata={"format": "pt"})
    return copy


def test_tensors_without_a_place_are_named(spare: Path, plain: DiffusersPipeline):
    found = built(spare)
    assert found.fingerprint().config["unused_tensors"] == {"unet": ["ema.decay"]}
    assert found.fingerprint().weights_sha256 == plain.fingerprint().weights_sha256
    assert "unused_tensors" not in plain.fingerprint().config
    with pytest.raises(CheckpointError, match=r"unet: the weights hold tensor ema.decay"):
        built(spare, extra_tensors="refuse")


def test_closing_gives_the_memory_back(folder: Path):
    adapter = built(folder, strength=0.5)
    adapter.generate_image(REQUEST)
    assert check_closing(adapter).status is Status.PASSED


def test_text_encoder_denoiser_and_vae_are_timed(plain: DiffusersPipeline):
    with plain.watch_components(count=False) as timed:
        plain.generate_image(REQUEST)
    # A drawing has nothing to encode.
    assert set(timed) == {"text_encoder", "denoiser", "vae_decode"}
    assert min(one.seconds for one in timed.values()) > 0
