"""Tiny random pipelines of several families, driven by `diffusers`.

A picture is a function of its request; the denoiser's calls are those of the formula.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.conformance import Status, check_adapter
from harness.errors import (
    AdapterError,
    CapabilityError,
    CheckpointError,
    OutOfMemoryError,
    SpecError,
)
from harness.ledger.export import export_rows
from harness.models import build_model, model_ref
from harness.records import (
    Capability,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    ReconstructRequest,
)
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.diffusers_pipeline import drawing
from model_adapters.diffusers_pipeline.adapter import BATCHED, DiffusersPipeline
from model_adapters.diffusers_pipeline.components import networks
from tasks.probes.inputs import picture
from tests.adapters.tiny_pipelines import save_tiny_pipeline

LEVELS = 1
"""Grey levels by which two batch shapes may round differently."""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sana": {"call": {"use_resolution_binning": False}},
    "sd3": {"cfg_scale": 2.0},
}
"""Sizes as they are asked for, and guidance that doesn't blow up rounding."""
DRAWN = ("sd", "sdxl", "sd3", "flux", "sana")
BRANCHES = {"flux": 1}
"""Rows of the denoiser per picture and step; guidance makes two."""
PROMPTS = ("a cat", "two dogs and a red ball", "x")
SIZE = (32, 64)

each_family = pytest.mark.parametrize("family", DRAWN)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def make(family: str) -> Path:
        return save_tiny_pipeline(tmp_path_factory.mktemp(family) / "pipeline", family)

    return make


@pytest.fixture(scope="session")
def adapters(folders: Any) -> Any:
    return cache(lambda family: built(folders(family), **ARGUMENTS.get(family, {})))


@pytest.fixture
def copied(folders: Any, tmp_path: Path) -> Path:
    return shutil.copytree(folders("sd"), tmp_path / "copy")


def built(folder: Path, **arguments: Any) -> DiffusersPipeline:
    return DiffusersPipeline(str(folder), **{"device": "cpu", "steps": 3, **arguments})


def requests(**fields: Any) -> list[GenerateImageRequest]:
    size = {"width": SIZE[0], "height": SIZE[1], **fields}
    decoding = ImageDecoding(**size)
    return [
        GenerateImageRequest(prompt=prompt, seed=n, decoding=decoding)
        for n, prompt in enumerate(PROMPTS)
    ]


def pixels(responses: Sequence[Any]) -> list[Any]:
    return [np.asarray(response.image, dtype=int) for response in responses]


def apart(first: Sequence[Any], second: Sequence[Any]) -> int:
    pairs = zip(pixels(first), pixels(second), strict=True)
    return max(int(np.abs(one - other).max()) for one, other in pairs)


def alone(adapter: DiffusersPipeline, asked: Sequence[Any]) -> list[Any]:
    return [adapter.generate_image([request])[0] for request in asked]


# --- every family --------------------------------------------------------------------------------


@each_family
def test_pictures_do_not_depend_on_the_batch(adapters: Any, family: str):
    adapter, asked = adapters(family), requests()
    together = adapter.generate_image(asked)
    assert {response.timing.batch_size for response in together} == {3}, "it must be one batch"
    assert {response.image.size for response in together} == {SIZE}
    assert apart(together, alone(adapter, asked)) <= LEVELS
    assert apart(together, adapter.generate_image(asked[::-1])[::-1]) <= LEVELS


@each_family
def test_pictures_are_functions_of_prompt_and_seed(adapters: Any, family: str):
    adapter, request = adapters(family), requests()[0]
    other_seed = msgspec.structs.replace(request, seed=77)
    other_prompt = msgspec.structs.replace(request, prompt=PROMPTS[1])
    first, again, seed, prompt = alone(adapter, [request, request, other_seed, other_prompt])
    assert apart([first], [again]) == 0
    assert apart([first], [seed]) > LEVELS
    assert apart([first], [prompt]) > LEVELS


@each_family
@pytest.mark.parametrize("steps", [1, 4])
def test_denoiser_calls_are_counted(adapters: Any, family: str, steps: int):
    adapter, asked = adapters(family), requests(steps=steps)
    found = [*adapter.generate_image(asked), *alone(adapter, asked[:1])]
    assert {r.usage.nfe for r in found} == {steps * BRANCHES.get(family, 2)}
    assert all(0 < r.timing.ttft_s <= r.timing.total_s for r in found)


@each_family
def test_what_is_proven_here_is_what_is_batched(adapters: Any, family: str):
    assert type(adapters(family)._pipeline).__name__ in BATCHED
    assert len(BATCHED) == len(DRAWN)


@each_family
def test_a_round_trip_keeps_the_size_and_ignores_the_batch(adapters: Any, family: str):
    adapter = adapters(family)
    asked = [ReconstructRequest(image=picture(n, 25 + n, 17)) for n in range(2)]
    found = adapter.reconstruct(asked)
    assert [response.image.size for response in found] == [(25, 17), (26, 17)]
    assert apart(found, [adapter.reconstruct([one])[0] for one in asked]) == 0
    assert np.std(pixels(found)[0]) > 0


@each_family
def test_time_goes_to_components(adapters: Any, family: str):
    adapter = adapters(family)
    adapter.generate_image(requests()[:1])  # transformers leaves hooks of its own
    before = hooks(adapter)
    with adapter.watch_components(count=False) as timed:
        assert hooks(adapter) > before
        adapter.generate_image(requests())
    assert {"text_encoder", "denoiser", "vae_decode"} <= set(timed)
    assert min(one.seconds for one in timed.values()) > 0
    assert "vae_encode" not in timed
    assert hooks(adapter) == before


@each_family
def test_work_of_components_is_counted(adapters: Any, family: str):
    adapter = adapters(family)
    (request,) = requests()[:1]
    with adapter.watch_components(count=True) as counted:
        (response,) = adapter.generate_image([request])
    assert min(counted[name].flops for name in ("text_encoder", "denoiser", "vae_decode")) > 0
    assert counted["vae_decode"].calls == 1
    assert counted["denoiser"].calls * 2 >= response.usage.nfe >= counted["denoiser"].calls


def hooks(adapter: DiffusersPipeline) -> int:
    modules = [m for part in networks(adapter._pipeline).values() for m in part.modules()]
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)


# --- decoding ------------------------------------------------------------------------------------


def test_guidance_of_one_is_one_branch(adapters: Any):
    found = adapters("sd").generate_image(requests(cfg_scale=1.0, steps=2))
    assert {response.usage.nfe for response in found} == {2}


def test_a_model_without_distilled_guidance_has_true_guidance(folders: Any):
    adapter = built(folders("flux-schnell"))
    plain, guided = (adapter.generate_image(requests(cfg_scale=s, steps=2)) for s in (1.0, 4.0))
    assert {response.usage.nfe for response in plain} == {2}
    assert {response.usage.nfe for response in guided} == {4}
    assert apart(plain, guided) > LEVELS
    assert apart(guided, alone(adapter, requests(cfg_scale=4.0, steps=2))) <= LEVELS


def test_schedulers_of_second_order_count_their_calls(folders: Any):
    adapter = built(folders("sd"), scheduler="HeunDiscreteScheduler")
    assert adapter.generate_image(requests(steps=3))[0].usage.nfe == 2 * (2 * 3 - 1)


def test_stochastic_schedulers_draw_from_the_request_s_generator(folders: Any):
    adapter = built(folders("sd"), scheduler="EulerAncestralDiscreteScheduler")
    asked = requests()
    together = adapter.generate_image(asked)
    assert together[0].timing.batch_size == 3
    assert apart(together, alone(adapter, asked)) <= LEVELS


def test_schedulers_that_draw_globally_serve_one_request_at_a_time(
    folders: Any, monkeypatch: pytest.MonkeyPatch
):
    adapter, asked = built(folders("sd")), requests()
    step = adapter._pipeline.scheduler.step

    def noisy(*args: Any, **kwargs: Any) -> Any:
        previous, *others = step(*args, **kwargs)
        return previous + torch.randn(previous.shape), *others

    monkeypatch.setattr(adapter._pipeline.scheduler, "step", noisy)
    state = torch.get_rng_state()
    together = adapter.generate_image(asked)
    assert [response.timing.batch_size for response in together] == [1, 1, 1]
    torch.manual_seed(3)
    assert apart(together, alone(adapter, asked)) == 0
    assert adapter.preferred_batch_size(Capability.GENERATE_IMAGE) == 1
    torch.set_rng_state(state)


def test_the_global_generator_is_left_alone(adapters: Any):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    adapters("sd").generate_image(requests())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("family", "decoding", "message"),
    [
        ("sd", {"alpha": 2.0}, "takes no alpha"),
        ("sd", {"width": 3}, "divisible by 8"),
        ("flux", {"width": 35}, "not 35x64"),
    ],
)
def test_decoding_that_it_cannot_do_is_refused(
    adapters: Any, family: str, decoding: dict[str, Any], message: str
):
    with pytest.raises(AdapterError, match=message):
        adapters(family).generate_image(requests(**decoding))


def test_defaults_are_what_is_called(folders: Any):
    adapter = built(folders("sd"), steps=2, cfg_scale=1.5, width=24, call={"negative_prompt": "b"})
    stated = adapter.fingerprint().defaults["draw"]
    assert stated == {
        "pipeline": "StableDiffusionPipeline",
        "call": {"negative_prompt": "b"},
        "steps": 2,
        "cfg_scale": 1.5,
        "width": 24,
        "height": 16,
    }
    open_, named = (
        alone(adapter, [GenerateImageRequest(prompt="a", decoding=decoding)])
        for decoding in (
            ImageDecoding(),
            ImageDecoding(steps=2, cfg_scale=1.5, width=24, height=16),
        )
    )
    assert open_[0].image.size == (24, 16)
    assert apart(open_, named) == 0
    assert (
        apart(
            open_,
            alone(
                built(folders("sd"), steps=2, cfg_scale=1.5, width=24),
                [GenerateImageRequest(prompt="a")],
            ),
        )
        > LEVELS
    )


def test_batching_can_be_forced(folders: Any):
    adapter = built(folders("sd"), batching="alone")
    assert adapter.generate_image(requests())[0].timing.batch_size == 1
    assert adapter.preferred_batch_size(Capability.GENERATE_IMAGE) == 1


# --- editing -------------------------------------------------------------------------------------


def edit(**fields: Any) -> EditImageRequest:
    return EditImageRequest(**{"prompt": "make it red", "image": picture(0, 24, 16), **fields})


def test_instruction_editing(folders: Any):
    adapter = built(folders("pix2pix"))
    assert adapter.card.capabilities == {
        Capability.EDIT_IMAGE,
        Capability.RECONSTRUCT,
        Capability.COMPONENTS,
    }
    first, again, moved, other = (
        adapter.edit_image([request])
        for request in (edit(), edit(), edit(seed=5), edit(image=picture(1, 24, 16)))
    )
    assert first[0].image.size == (24, 16)
    assert first[0].usage.nfe == 3 * 3, "text, picture and no guidance"
    assert apart(first, again) == 0
    assert min(apart(first, moved), apart(first, other)) > LEVELS
    with pytest.raises(AdapterError, match="takes no width"):
        adapter.edit_image([edit(decoding=ImageDecoding(width=24))])
    with pytest.raises(CapabilityError, match="generate_image"):
        adapter.generate_image(requests())


def test_strength_makes_a_drawing_pipeline_edit(adapters: Any, folders: Any):
    assert Capability.EDIT_IMAGE not in adapters("sd").card.capabilities
    with pytest.raises(CapabilityError, match="edit_image"):
        adapters("sd").edit_image([edit()])
    adapter = built(folders("sd"), strength=0.5, steps=4, width=32)
    assert Capability.EDIT_IMAGE in adapter.card.capabilities
    response = adapter.edit_image([edit()])[0]
    assert (response.image.size, response.usage.nfe) == ((24, 16), 2 * 2)
    stated = adapter.fingerprint().defaults["edit"]
    assert stated["pipeline"] == "StableDiffusionImg2ImgPipeline"
    assert stated["call"] == {"strength": 0.5}


# --- pictures that are none ----------------------------------------------------------------------


def test_a_blacked_out_picture_is_an_error(folders: Any, monkeypatch: pytest.MonkeyPatch):
    adapter = built(folders("sd-safe"))
    checker = type(adapter._pipeline.safety_checker)
    monkeypatch.setattr(
        checker, "forward", lambda *_, images, **__: (images, [False] * len(images))
    )
    assert adapter.generate_image(requests()[:1])[0].image.size == SIZE
    monkeypatch.setattr(checker, "forward", lambda *_, images, **__: (0 * images, [True]))
    with pytest.raises(AdapterError, match=r"blacked out a picture\n.*safety_checker=off"):
        adapter.generate_image(requests()[:1])
    off = built(folders("sd-safe"), safety_checker=False)
    assert off.generate_image(requests()[:1])[0].image.size == SIZE
    states = [model.fingerprint().config["safety_checker"] for model in (adapter, off)]
    assert states == ["on", "off"]


def test_values_that_are_not_finite_are_an_error():
    with pytest.raises(AdapterError, match="finite"):
        drawing.to_image(np.full((4, 4, 3), np.nan))


def test_videos_are_an_error():
    with pytest.raises(AdapterError, match="gave no picture"):
        drawing._pictures(object(), SimpleNamespace(frames=[1]), 1)


def test_memory_that_runs_out_is_told_in_the_harness_s_words(
    adapters: Any, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    adapter = adapters("sd")
    monkeypatch.setattr(type(adapter._pipeline.unet), "forward", full)
    with pytest.raises(OutOfMemoryError, match=r"3 requests.*\n.*--batch-size"):
        adapter.generate_image(requests())


# --- loading -------------------------------------------------------------------------------------


def test_reading_the_card_imports_no_torch():
    code = (
        "import model_adapters.diffusers_pipeline.adapter, sys; "
        "print({'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_missing_package_is_named_with_its_extra(folders: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(AdapterError, match=r"pip install 'cheers-bench\[diffusers\]'"):
        built(folders("sd"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "int8"}, "float32, bfloat16, float16"),
        ({"steps": 0}, "positive whole number"),
        ({"cfg_scale": True}, "positive number"),
        ({"strength": 1.5}, "above 1"),
        ({"batching": "many"}, "auto, together, alone"),
        ({"safety_checker": "maybe"}, "neither on nor off"),
        ({"call": [1]}, "isn't an object"),
        ({"call": {"generator": 3}}, "the request's seed"),
        ({"call": {"negative_promt": "b"}}, "did you mean 'negative_prompt'"),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, "doesn't fit StableDiffusionPipeline"),
    ],
)
def test_impossible_arguments_are_refused(folders: Any, arguments: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message):
        built(folders("sd"), **arguments)


def test_settings_that_the_pipeline_has_no_argument_for_are_refused(folders: Any):
    with pytest.raises(SpecError, match="takes no width"):
        built(folders("pix2pix"), width=32)
    with pytest.raises(SpecError, match="takes no strength"):
        built(folders("pix2pix"), strength=0.5)
    with pytest.raises(CheckpointError, match="no image-to-image SanaPipeline"):
        built(folders("sana"), strength=0.5)


def test_a_model_without_a_checkpoint_says_how_to_name_one():
    with pytest.raises(CheckpointError, match="diffusers:FOLDER"):
        DiffusersPipeline()
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        DiffusersPipeline("not/a/folder")


def index(**changes: Any) -> Any:
    def write(folder: Path) -> None:
        path = folder / "model_index.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return write


def pickled(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()


def rewritten(change: Any, part: str = "unet/diffusion_pytorch_model") -> Any:
    def write(folder: Path) -> None:
        path = folder / f"{part}.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    return write


def truncated(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def with_code(folder: Path) -> None:
    (folder / "own.py").write_text("raise SystemExit('code of a checkpoint ran')")
    index(_class_name=["own", "Own"])(folder)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "model_index.json").unlink(), r"model_index\.json is missing"),
        (
            lambda folder: (folder / "unet" / "config.json").unlink(),
            r"unet/config\.json is missing",
        ),
        (lambda folder: shutil.rmtree(folder / "vae"), r"vae/config\.json is missing"),
        (
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(),
            "unet holds no weights as safetensors",
        ),
        (pickled, r"diffusion_pytorch_model\.bin is a pickle"),
        (truncated, "unet can't be loaded as UNet2DConditionModel"),
        (rewritten(lambda t: t.pop("conv_out.bias")), r"lack tensor conv_out\.bias"),
        (
            rewritten(lambda t: t.pop(min(t)), "text_encoder/model"),
            "text_encoder: the weights lack tensor",
        ),
        (
            rewritten(lambda t: t.update({"conv_out.bias": torch.zeros(7)})),
            r"(?s)unet can't be loaded.*conv_out\.bias",
        ),
        (with_code, "code of its own"),
        (index(unet=["own", "Own"]), "component 'unet'.*code of its own"),
        (index(_class_name="NoSuchPipeline"), "has no pipeline 'NoSuchPipeline'"),
        (index(unet=["diffusers", "NoSuchModel"]), "diffusers has no NoSuchModel"),
        (index(_class_name="StableDiffusionInpaintPipeline"), "wants mask_image"),
    ],
)
def test_wrong_files_are_refused_by_name(copied: Path, harm: Any, message: str):
    harm(copied)
    with pytest.raises(CheckpointError, match=message) as caught:
        built(copied)
    assert str(copied) in str(caught.value)


# --- identity ------------------------------------------------------------------------------------


def test_the_fingerprint_can_be_stored_and_knows_no_path(adapters: Any, folders: Any, copied: Path):
    fingerprint = adapters("sd").fingerprint()
    text = msgspec.json.encode(fingerprint)
    assert msgspec.json.decode(text, type=type(fingerprint)) == fingerprint
    assert str(folders("sd")).encode() not in text
    assert built(copied).fingerprint() == fingerprint
    assert fingerprint.config["components"]["scheduler"]["class"] == "DDIMScheduler"
    assert fingerprint.config["safety_checker"] == "off"


@pytest.mark.parametrize(
    "part", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"]
)
def test_weights_change_the_fingerprint(adapters: Any, copied: Path, part: str):
    rewritten(lambda tensors: next(iter(tensors.values())).view(-1)[0].add_(1e-3), part)(copied)
    found, before = built(copied).fingerprint(), adapters("sd").fingerprint()
    assert found.weights_sha256 != before.weights_sha256


def test_settings_change_the_fingerprint(adapters: Any, folders: Any, copied: Path):
    config = json.loads((copied / "scheduler" / "scheduler_config.json").read_text())
    config["beta_end"] = 0.03
    (copied / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    sd = folders("sd")
    found = [
        adapters("sd").fingerprint(),
        built(copied).fingerprint(),
        built(sd, scheduler="EulerDiscreteScheduler").fingerprint(),
        built(sd, steps=5).fingerprint(),
        built(sd, batching="alone").fingerprint(),
        built(sd, call={"negative_prompt": "b"}).fingerprint(),
    ]
    assert len({msgspec.json.encode(fingerprint) for fingerprint in found}) == len(found)
    assert len({fingerprint.weights_sha256 for fingerprint in found}) == 1


def test_the_layout_of_the_vae_changes_no_picture(adapters: Any, folders: Any):
    other = built(folders("sd"), vae_channels_last=True)
    weight = other._pipeline.vae.decoder.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert apart(adapters("sd").generate_image(requests()), other.generate_image(requests())) <= 1
    assert other.fingerprint().weights_sha256 == adapters("sd").fingerprint().weights_sha256


# --- as the harness uses it ----------------------------------------------------------------------


def test_it_keeps_the_rules(folders: Any):
    adapter = build_model(
        model_ref(f"diffusers:{folders('sd')}", {"device": "cpu", "strength": 0.6})
    )
    found = {f.check: f for f in check_adapter(adapter, steps=3)}
    assert {name: f.detail for name, f in found.items() if f.status is Status.FAILED} == {}
    asked = ("contract", "batch-invariance", "seed-determinism", "leakage", "picture-modes")
    assert {found[name].status for name in asked} == {Status.PASSED}


def rows_of(folder: Path, model: Path, **fields: Any) -> dict[str, Any]:
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-geneval", limit=5), TaskRef(task="shapes-mmbench", limit=1)),
        model=ModelRef(name="diffusers", args={"path": str(model), "device": "cpu", "steps": 2}),
        out=str(folder),
        **fields,
    )
    execute(spec)
    return {f"{row['task']}/{row['id']}/{row['k']}": row for row in export_rows(folder)}


def test_runs_do_not_depend_on_the_batch_size(folders: Any, tmp_path: Path):
    one = rows_of(tmp_path / "one", folders("sd"), batch_size=1)
    many = rows_of(tmp_path / "many", folders("sd"), batch_size=4)
    assert one.keys() == many.keys()
    assert {row["task"] for row in one.values()} == {"shapes-geneval"}, "it answers no questions"
    assert {row["verdict"] for row in one.values()} <= {"ok", "wrong"}
    verdicts = [{name: row["verdict"] for name, row in rows.items()} for rows in (one, many)]
    assert verdicts[0] == verdicts[1]
