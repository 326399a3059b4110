"""CHEERS behind the adapter interface: arguments, identity, usage, errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from harness.components import seconds_by_component
from harness.errors import AdapterError, CheckpointError, OutOfMemoryError, SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    TextDecoding,
)
from harness.run.contract import check_count, check_response
from harness.torch_support import weights_sha256
from model_adapters.cheers import COMPONENTS, answering, from_pretrained
from model_adapters.cheers.accounting import kv_cache_bytes, prefill_flops
from model_adapters.cheers.adapter import CheersAdapter
from model_adapters.cheers.session import open_session
from model_adapters.cheers.speed import Speed
from tasks.probes.inputs import Workload, picture
from tasks.probes.latency_metrics import MEASURED

SHORT = TextDecoding(max_new_tokens=4)
IMAGES = tuple(picture(seed, 20, 30) for seed in range(3))


def ask(adapter: CheersAdapter, *prompts: str, **fields: Any) -> list[Any]:
    fields = {"decoding": SHORT} | fields
    return adapter.answer([AnswerRequest(prompt=prompt, **fields) for prompt in prompts])


def draw(adapter: CheersAdapter, seed: int = 0, **decoding: Any) -> Any:
    request = GenerateImageRequest(
        prompt="a red circle", seed=seed, decoding=ImageDecoding(**decoding)
    )
    return adapter.generate_image([request])[0]


def pixels(image: Image.Image) -> Any:
    return np.asarray(image).astype(int)


@pytest.fixture(scope="module")
def model(adapter: CheersAdapter) -> Any:
    return adapter._checkpoint.model


# --- importing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["adapter", "embedded"])
def test_reading_the_cards_imports_no_torch(module: str):
    code = f"import model_adapters.cheers.{module}, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prompt_form", "dumy", "dummy, no-dummy, fixed-dummy"),
        ("dtype", "int8", "float32, bfloat16, float16"),
        ("device", "tpu", "write cpu"),
        ("hfi", "yes", "hfi=off"),
        ("vae_reconstruction", 1, "vae_reconstruction=off"),
        ("steps", 0, "steps=20"),
        ("steps", True, "steps=20"),
        ("cfg_scale", "strong", "cfg_scale=20"),
        ("solver", "rk4", "euler, heun, midpoint, ab2"),
        ("slots", 0, "slots=16"),
        ("compile", "reduce-overhead", "needs a GPU"),
        ("attention", "fastest", "auto, flash"),
    ],
)
def test_impossible_arguments_are_refused(checkpoint: Path, name: str, value: Any, message: str):
    with pytest.raises(SpecError, match=message):
        CheersAdapter(str(checkpoint), **{name: value})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused(checkpoint: Path):
    with pytest.raises(SpecError, match="no GPU is visible"):
        CheersAdapter(str(checkpoint), device="cuda:1")


def test_a_model_without_a_checkpoint_says_how_to_name_one():
    with pytest.raises(CheckpointError, match="cheers:FOLDER"):
        CheersAdapter()


def test_a_missing_folder_names_the_remedy(tmp_path: Path):
    with pytest.raises(CheckpointError, match="check the path"):
        CheersAdapter(str(tmp_path / "nothing"))


def test_a_truncated_checkpoint_is_refused(checkpoint: Path, tmp_path: Path):
    folder = shutil.copytree(checkpoint, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="truncated"):
        CheersAdapter(str(folder))


def test_a_missing_tokenizer_is_named(checkpoint: Path, tmp_path: Path):
    folder = shutil.copytree(checkpoint, tmp_path / "no-tokenizer")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        CheersAdapter(str(folder))


def test_defaults_come_from_the_user_then_the_checkpoint_then_the_paper(
    checkpoint: Path, tmp_path: Path
):
    folder = shutil.copytree(checkpoint, tmp_path / "with-defaults")
    (folder / "generation_config.json").write_text(json.dumps({"steps": 7, "alpha": 1.0, "x": 1}))
    adapter = CheersAdapter(str(folder), alpha=0.25)
    assert adapter.fingerprint().defaults == {"steps": 7, "cfg_scale": 9.5, "alpha": 0.25}
    official = CheersAdapter(str(checkpoint)).fingerprint().defaults
    assert official == {"steps": 80, "cfg_scale": 9.5, "alpha": 0.5}


@pytest.mark.parametrize("content", ["[1, 2]", "{"])
def test_broken_defaults_are_refused(checkpoint: Path, tmp_path: Path, content: str):
    folder = shutil.copytree(checkpoint, tmp_path / "broken")
    (folder / "generation_config.json").write_text(content)
    with pytest.raises(CheckpointError, match="generation_config"):
        CheersAdapter(str(folder))


# --- identity ------------------------------------------------------------------------------------


def test_the_fingerprint_says_what_answers(adapter: CheersAdapter, model: Any):
    fingerprint = adapter.fingerprint()
    assert fingerprint.model == "cheers"
    assert fingerprint.adapter == "model_adapters.cheers.adapter.CheersAdapter"
    assert fingerprint.dtype == "float32"
    assert fingerprint.device == "cpu"
    assert fingerprint.parameters == sum(p.numel() for p in model.parameters())
    assert fingerprint.defaults == {"steps": 4, "cfg_scale": 3.0, "alpha": 0.5}
    assert fingerprint.config["switches"] == {
        "hfi": True,
        "vae_reconstruction": True,
        "prompt_form": "dummy",
    }
    assert msgspec.json.decode(msgspec.json.encode(fingerprint), type=type(fingerprint))


def test_only_weights_change_the_hash(checkpoint: Path, adapter: CheersAdapter, tmp_path: Path):
    want = adapter.fingerprint().weights_sha256
    same = CheersAdapter(str(checkpoint), hfi=False, prompt_form="no-dummy").fingerprint()
    assert same.weights_sha256 == want
    other = CheersAdapter(str(checkpoint))
    with torch.no_grad():
        next(other._checkpoint.model.parameters()).view(-1)[0] += 1e-6
    assert other.fingerprint().weights_sha256 != want


def test_the_hash_does_not_see_the_memory_layout(checkpoint: Path, adapter: CheersAdapter):
    stored = from_pretrained(checkpoint, "float32").model
    assert weights_sha256(stored) == adapter.fingerprint().weights_sha256
    convolution = adapter._checkpoint.model.model.vae_decoder_projector.decoder.conv_in.weight
    assert convolution.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "switch", [{"hfi": False}, {"vae_reconstruction": False}, {"prompt_form": "no-dummy"}]
)
def test_switches_are_part_of_the_fingerprint(
    checkpoint: Path, adapter: CheersAdapter, switch: dict[str, Any]
):
    other = CheersAdapter(str(checkpoint), steps=4, cfg_scale=3.0, **switch).fingerprint()
    assert other.config["switches"] == {**adapter.fingerprint().config["switches"], **switch}


def test_other_rounding_is_part_of_the_fingerprint(checkpoint: Path, adapter: CheersAdapter):
    other = CheersAdapter(str(checkpoint), steps=4, channels_last=False, attention="math")
    assert "speed" not in adapter.fingerprint().config
    assert other.fingerprint().config["speed"] == {"channels_last": False, "attention": "math"}
    decoding = {"cfg_scale": 3.0, "alpha": 0.5}
    apart = pixels(draw(other, **decoding).image) - pixels(draw(adapter, **decoding).image)
    assert abs(apart).max() <= 1


@pytest.mark.parametrize("solver", ["heun", "midpoint", "ab2"])
def test_the_solver_is_part_of_the_fingerprint_and_of_the_picture(
    checkpoint: Path, adapter: CheersAdapter, solver: str
):
    other = CheersAdapter(str(checkpoint), steps=4, cfg_scale=3.0, solver=solver)
    official = adapter.fingerprint().defaults
    assert other.fingerprint().defaults == {**official, "solver": solver}
    response = draw(other)
    assert response.usage.nfe == 2 * 4 * (1 if solver == "ab2" else 2)
    assert (pixels(response.image) != pixels(draw(adapter).image)).any()


# --- what responses report -----------------------------------------------------------------------


@pytest.mark.parametrize("capability", MEASURED)
def test_every_capability_keeps_the_contract(adapter: CheersAdapter, capability: Capability):
    load = Workload(image_size=24, max_new_tokens=3, steps=2)
    requests = [load.request(capability, index, 50 + index) for index in range(3)]
    responses = getattr(adapter, capability.value)(requests)
    check_count(requests, responses)
    for request, response in zip(requests, responses, strict=True):
        check_response(request, response)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("num_beams", [1, 2])
def test_vision_tokens_are_those_in_the_cache(
    adapter: CheersAdapter, model: Any, count: int, num_beams: int
):
    decoding = TextDecoding(max_new_tokens=2, num_beams=num_beams)
    (response,) = ask(adapter, "what?", images=IMAGES[:count], decoding=decoding)
    shown = max(count, 1)  # a dummy stands in for no picture
    assert response.usage.vision_tokens == shown * model.config.tokens_per_image


def test_no_dummy_means_no_vision_tokens(checkpoint: Path):
    (response,) = ask(CheersAdapter(str(checkpoint), prompt_form="no-dummy"), "what?")
    assert response.usage.vision_tokens == 0


def test_prompt_tokens_are_the_text_without_pictures(adapter: CheersAdapter):
    bare, longer = ask(adapter, "ab", "abcde", images=IMAGES[:1])
    assert longer.usage.prompt_tokens - bare.usage.prompt_tokens == 3


def share_of_first(make: Callable[[], Any]) -> float:
    """Share of the whole time until the first token or step: the best of five."""
    timings = [make().timing for _ in range(5)]
    assert all(0 < timing.ttft_s <= timing.total_s for timing in timings)
    return min(timing.ttft_s / timing.total_s for timing in timings)


def test_time_to_first_token_is_real(adapter: CheersAdapter):
    decoding = TextDecoding(max_new_tokens=40)
    (response,) = ask(adapter, "what?", decoding=decoding)
    assert response.usage.completion_tokens == 40, "the test needs an answer that goes on"
    assert response.timing.batch_size == 1
    assert share_of_first(lambda: ask(adapter, "what?", decoding=decoding)[0]) < 0.6


def test_beams_have_no_first_token(adapter: CheersAdapter):
    (response,) = ask(adapter, "a", decoding=TextDecoding(max_new_tokens=4, num_beams=2))
    assert response.timing.ttft_s is None
    assert response.timing.total_s > 0


def test_the_first_step_is_timed(adapter: CheersAdapter):
    assert share_of_first(lambda: draw(adapter, steps=20)) < 0.6


@pytest.mark.parametrize(("decoding", "nfe"), [({}, 8), ({"cfg_scale": 1.0}, 4), ({"steps": 3}, 6)])
def test_evaluations_count_each_guidance_branch(
    adapter: CheersAdapter, decoding: dict[str, Any], nfe: int
):
    assert draw(adapter, **decoding).usage.nfe == nfe


def test_edits_skip_the_steps_before_their_start(adapter: CheersAdapter):
    request = EditImageRequest(
        prompt="red", image=IMAGES[0], decoding=ImageDecoding(steps=10, cfg_scale=1.0)
    )
    assert adapter.edit_image([request])[0].usage.nfe == 9


def test_a_stop_string_ends_the_text_before_it(adapter: CheersAdapter):
    (whole,) = ask(adapter, "what?", decoding=TextDecoding(max_new_tokens=12))
    stop = whole.text[4]
    (cut,) = ask(adapter, "what?", decoding=TextDecoding(max_new_tokens=12, stop=("", stop)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason is FinishReason.STOP


def test_the_limit_of_tokens_is_reported(adapter: CheersAdapter):
    (response,) = ask(adapter, "what?", decoding=TextDecoding(max_new_tokens=2))
    assert response.finish_reason is FinishReason.LENGTH
    assert response.usage.completion_tokens == 2


# --- parameters and neighbours don't leak --------------------------------------------------------


def test_a_call_leaves_nothing_behind(adapter: CheersAdapter):
    before = ask(adapter, "what?")[0].text, pixels(draw(adapter).image)
    ask(adapter, "other", decoding=TextDecoding(max_new_tokens=9, temperature=2.0, stop=("e",)))
    draw(adapter, steps=2, cfg_scale=1.0, alpha=1.0)
    with pytest.raises(AdapterError):
        draw(adapter, width=48)
    after = ask(adapter, "what?")[0].text, pixels(draw(adapter).image)
    assert before[0] == after[0]
    assert (before[1] == after[1]).all()


def test_the_global_generators_are_left_alone(adapter: CheersAdapter):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 -- the very thing that nothing may touch
    state = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    ask(adapter, "what?", decoding=TextDecoding(max_new_tokens=4, temperature=1.0))
    draw(adapter)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (np.random.get_state()[1] == state[1]).all()  # noqa: NPY002


def test_padding_changes_no_answer(adapter: CheersAdapter):
    prompts = ("a", "a much longer question than all of the others here", "what?")
    together = ask(adapter, *prompts, images=IMAGES[:1])
    assert [r.text for r in together] == [
        ask(adapter, prompt, images=IMAGES[:1])[0].text for prompt in prompts
    ]


def test_rows_with_other_numbers_of_pictures_change_no_answer(adapter: CheersAdapter):
    requests = [
        AnswerRequest(prompt="what?", images=IMAGES[:count], decoding=SHORT) for count in range(4)
    ]
    assert [r.text for r in adapter.answer(requests)] == [
        adapter.answer([request])[0].text for request in requests
    ]
    assert [adapter.batch_key(request) for request in requests] == [0, 1, 2, 3]


def test_slots_change_no_answer_and_no_account(checkpoint: Path, adapter: CheersAdapter):
    few = CheersAdapter(str(checkpoint), slots=2)
    assert few.preferred_batch_size(Capability.ANSWER) == 8
    assert few.fingerprint().defaults == CheersAdapter(str(checkpoint)).fingerprint().defaults
    prompts = ["a", "b c d", "e" * 20, "f", "g h"]
    decoding = TextDecoding(max_new_tokens=9)
    together, waited = (ask(one, *prompts, decoding=decoding) for one in (adapter, few))
    assert [r.text for r in waited] == [r.text for r in together]
    assert [r.usage for r in waited] == [r.usage for r in together]


def test_rows_that_wait_for_a_slot_have_their_own_first_token(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    """By a clock of forward passes: with one slot, each answer waits for all before it."""
    one = CheersAdapter(str(checkpoint), slots=1)
    decoding = TextDecoding(max_new_tokens=9)
    ask(one, "a", decoding=decoding)  # loads the model
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    one._checkpoint.model.model.language_model.register_forward_hook(count)
    monkeypatch.setattr("time.perf_counter", lambda: float(passes))
    found = ask(one, "a", "b c d", "e" * 20, "f", decoding=decoding)
    first = [response.timing.ttft_s for response in found]
    assert all(earlier < later for earlier, later in pairwise(first))
    for place, response in enumerate(found[:-1]):
        # The next prefill stands behind every pass of this row but its own prefill.
        assert first[place + 1] - first[place] >= response.usage.completion_tokens - 1
    assert all(first[-1] <= response.timing.total_s for response in found)


def test_rows_of_one_group_share_their_first_token(checkpoint: Path):
    two = CheersAdapter(str(checkpoint), slots=2)
    found = ask(two, "a", "b", "c", decoding=TextDecoding(max_new_tokens=9))
    first, second, waited = (response.timing.ttft_s for response in found)
    assert first == second < waited


def test_questions_about_equal_pictures_see_one(adapter: CheersAdapter, model: Any):
    seen: list[int] = []
    hook = model.model.vision_representation.register_forward_hook(
        lambda module, args, out: seen.append(len(args[0]))
    )
    same = [picture(7, 20, 30) for _ in range(3)]
    requests = [
        AnswerRequest(prompt=text, images=(image,), decoding=SHORT)
        for text, image in zip(("a", "b c", "d"), same, strict=True)
    ]
    together = adapter.answer(requests)
    hook.remove()
    assert seen == [1]
    assert [r.text for r in together] == [adapter.answer([r])[0].text for r in requests]


def test_sampling_follows_the_seed(adapter: CheersAdapter):
    warm = TextDecoding(max_new_tokens=8, temperature=1.5)
    texts = [ask(adapter, "what?", decoding=warm, seed=seed)[0].text for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]


# --- prompt forms and ablations ------------------------------------------------------------------


def likelihoods(adapter: CheersAdapter, seed: int) -> tuple[float, ...]:
    request = LogLikelihoodRequest(prompt="what?", continuations=("red", "blue"), seed=seed)
    return adapter.loglikelihood([request])[0].loglikelihoods


def test_the_dummy_image_follows_the_seed(adapter: CheersAdapter):
    assert likelihoods(adapter, 1) == likelihoods(adapter, 1)
    assert likelihoods(adapter, 1) != likelihoods(adapter, 2)


def test_prompt_forms_differ_as_they_say(checkpoint: Path, adapter: CheersAdapter):
    fixed, bare = (
        CheersAdapter(str(checkpoint), prompt_form=form) for form in ("fixed-dummy", "no-dummy")
    )
    assert likelihoods(fixed, 1) == likelihoods(fixed, 2)
    assert likelihoods(bare, 1) == likelihoods(bare, 2)
    assert len({likelihoods(a, 1) for a in (adapter, fixed, bare)}) == 3


def test_prompt_forms_leave_pictured_prompts_alone(checkpoint: Path, adapter: CheersAdapter):
    bare = CheersAdapter(str(checkpoint), prompt_form="no-dummy")
    assert ask(adapter, "a", images=IMAGES[:1])[0].text == ask(bare, "a", images=IMAGES[:1])[0].text


def test_switching_the_injection_off_changes_the_picture(checkpoint: Path, adapter: CheersAdapter):
    without = CheersAdapter(str(checkpoint), steps=4, cfg_scale=3.0, alpha=0.5, hfi=False)
    first, second = pixels(draw(adapter).image), pixels(draw(without).image)
    assert np.abs(first - second).max() > 1
    assert ask(adapter, "a", images=IMAGES[:1])[0].text == (
        ask(without, "a", images=IMAGES[:1])[0].text
    )


def test_showing_the_tower_plain_pixels_changes_understanding(
    checkpoint: Path, adapter: CheersAdapter
):
    plain = CheersAdapter(str(checkpoint), vae_reconstruction=False)
    request = LogLikelihoodRequest(prompt="what?", continuations=("red",), images=IMAGES[:1])
    assert adapter.loglikelihood([request])[0].loglikelihoods != (
        plain.loglikelihood([request])[0].loglikelihoods
    )


# --- likelihoods, reconstruction -----------------------------------------------------------------


def test_likelihoods_keep_the_order_and_fall_with_every_token(adapter: CheersAdapter):
    request = LogLikelihoodRequest(
        prompt="what?", continuations=("a", "b", "a", "ab", "abb"), images=IMAGES[:1]
    )
    first, other, again, longer, longest = adapter.loglikelihood([request])[0].loglikelihoods
    assert first == pytest.approx(again, abs=1e-5)
    assert first != pytest.approx(other, abs=1e-3)
    assert longest < longer < first < 0


def test_a_picture_shared_by_continuations_is_seen_once(adapter: CheersAdapter, model: Any):
    seen: list[int] = []
    hook = model.model.vision_representation.register_forward_hook(
        lambda module, args, out: seen.append(len(args[0]))
    )
    requests = [
        LogLikelihoodRequest(
            prompt="what?", continuations=("a", "b", "c"), images=IMAGES[n : n + 1]
        )
        for n in range(2)
    ]
    together = adapter.loglikelihood(requests)
    hook.remove()
    assert seen == [2]
    for request, response in zip(requests, together, strict=True):
        for text, value in zip(request.continuations, response.loglikelihoods, strict=True):
            alone = msgspec.structs.replace(request, continuations=(text,))
            (want,) = adapter.loglikelihood([alone])[0].loglikelihoods
            assert value == pytest.approx(want, abs=1e-4)


def test_reconstructions_have_the_model_s_size(adapter: CheersAdapter, model: Any):
    requests = [ReconstructRequest(image=image) for image in IMAGES]
    responses = adapter.reconstruct(requests)
    assert {response.image.size for response in responses} == {(model.config.image_size,) * 2}
    alone = adapter.reconstruct(requests[1:2])[0].image
    assert np.abs(pixels(responses[1].image) - pixels(alone)).max() <= 1


# --- accounting ----------------------------------------------------------------------------------


def test_the_account_is_what_the_modules_put_out(adapter: CheersAdapter, model: Any):
    shapes: dict[str, Sequence[int]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, out: Any) -> None:
            shapes[name] = (out[0] if isinstance(out, tuple) else out).shape

        return hook

    names = ("vision_representation", "und_projector")
    hooks = [model.model.get_submodule(n).register_forward_hook(note(n)) for n in names]
    ask(adapter, "what?", images=IMAGES[:1])
    for hook in hooks:
        hook.remove()
    found = adapter.vision_tokens(640, 480)
    assert (found.width, found.height) == (640, 480)
    assert found.patches == shapes["vision_representation"][1]
    assert found.llm_tokens == shapes["und_projector"][1]
    assert found.compression == 4
    grid = model.config.latent_grid
    assert found.latent_grid == (grid, grid)


def test_the_cache_is_as_large_as_the_account_says(adapter: CheersAdapter, model: Any):
    prompt = adapter._answer_prompt(AnswerRequest(prompt="what?", images=IMAGES[:1]))
    cache = open_session(model, [prompt]).cache
    stores = (*cache.keys, *cache.values)
    held = sum(tensor[:, :, : cache.lengths[0]].numel() * tensor.itemsize for tensor in stores)
    assert kv_cache_bytes(model, cache.lengths[0]) == held


@pytest.mark.parametrize("tokens", [4, 16])
def test_prefill_flops_agree_with_torch_s_counter(model: Any, tokens: int):
    language = model.model.language_model
    embeds = torch.randn(1, tokens, model.config.text_config.hidden_size)
    positions = torch.arange(tokens)[None]
    allowed = torch.ones(1, tokens, tokens, dtype=torch.bool)
    counter = FlopCounterMode(display=False)
    with (
        torch.no_grad(),
        counter,
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        language(embeds, allowed, positions)
    # The counter sees the rotary embedding's outer product too, which is no work to speak of.
    assert prefill_flops(model, tokens) == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_components_are_timed_inside_the_context_only(adapter: CheersAdapter, model: Any):
    with adapter.watch_components(count=False) as watched:
        draw(adapter)
    seconds = seconds_by_component(watched)
    assert set(COMPONENTS) <= set(seconds) <= {*COMPONENTS, "lm_head"}
    assert min(seconds.values()) > 0
    draw(adapter)
    assert seconds_by_component(watched) == seconds
    assert not any(module._forward_hooks for module in model.modules())


# --- errors --------------------------------------------------------------------------------------


def test_another_picture_size_is_refused(adapter: CheersAdapter):
    with pytest.raises(AdapterError, match="leave width and height open"):
        draw(adapter, height=8)


def test_a_prompt_beyond_the_context_is_named(adapter: CheersAdapter):
    with pytest.raises(AdapterError, match=r"row 1.*the context"):
        ask(adapter, "short", "x" * 600)


def test_memory_that_runs_out_is_told_in_the_harness_s_words(
    adapter: CheersAdapter, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(answering, "answer_batch", full)
    with pytest.raises(OutOfMemoryError, match=r"2 requests.*\n.*--batch-size"):
        ask(adapter, "a", "b")


def test_closing_lets_go_of_the_weights(checkpoint: Path) -> None:
    import gc
    import weakref

    model = CheersAdapter(str(checkpoint), device="cpu")
    weights = weakref.ref(model._checkpoint.model)
    model.close()
    gc.collect()
    assert weights() is None
    model.close()  # twice does nothing


def test_a_prefill_runs_as_requests_do(adapter: CheersAdapter, monkeypatch: pytest.MonkeyPatch):
    """With the chosen attention kernel, and in the very type that is stated."""
    inside: list[bool] = []
    flags = torch.backends.cuda

    def look(*_: object) -> None:
        inside.append(flags.flash_sdp_enabled())
        inside.append(flags.matmul.allow_tf32)

    monkeypatch.setattr(adapter, "speed", Speed(attention="math"))
    before, flags.matmul.allow_tf32 = flags.matmul.allow_tf32, True
    backbone = adapter._checkpoint.model.model.language_model
    handle = backbone.register_forward_pre_hook(look)
    try:
        adapter.prefill(4)
        assert inside == [False, False]
        assert flags.matmul.allow_tf32
    finally:
        handle.remove()
        flags.matmul.allow_tf32 = before
