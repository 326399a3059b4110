"""Tar's adapter: golden answers, scores and pictures by hand, accounts, identity, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from harness.components import seconds_by_component
from harness.conformance.inputs import mosaic
from harness.errors import AdapterError, CapabilityError, CheckpointError, SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    Response,
    TextDecoding,
)
from harness.seeds import stream_seed
from model_adapters.tar.adapter import TarAdapter
from model_adapters.tar.ar_dtok import Guidance
from model_adapters.tar.images import to_image
from model_adapters.tar.painting import paint
from model_adapters.tar.presets import Sampling
from model_adapters.tar.prompts import answer_prompt, image_prompt
from model_adapters.tar.ta_tok import TaTok
from tests.tar.conftest import TINY

Build = Callable[..., TarAdapter]
QUESTION = "Describe the image shortly."
SIZES = ((40, 24), (24, 40), (33, 17), (64, 64), (38, 38))
PROMPTS = ("a cat", "", "four red cups, please", "two blue squares left of a dog", "x")


def golden(name: str) -> torch.Tensor:
    with safe_open(TINY / "golden.safetensors", "pt") as reader:
        return reader.get_tensor(name)


def picture(number: int = 0) -> Image.Image:
    """A picture of the golden file; it has the tower's size, so nothing resizes it."""
    return Image.fromarray(golden("ta.image_uint8")[number].numpy())


def drawings(**fields: Any) -> list[GenerateImageRequest]:
    return [GenerateImageRequest(prompt=p, seed=n, **fields) for n, p in enumerate(PROMPTS)]


def apart(first: Response, second: Response) -> int:
    pixels = [np.asarray(one.image, dtype=int) for one in (first, second)]
    return int(np.abs(pixels[0] - pixels[1]).max())


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "case"), [(0, "i2t_s1"), (2, "i2t_s3")])
def test_a_golden_picture_gives_the_golden_answer(build: Build, scale: int, case: str):
    adapter = build(read_scale=scale)
    ids = golden(f"llm.{case}.greedy_ids")[0].tolist()
    decoding = TextDecoding(max_new_tokens=len(ids))
    request = AnswerRequest(prompt=QUESTION, images=(picture(),), decoding=decoding)
    (response,) = adapter.answer([request])
    words = [token for token in ids if token < 256]
    assert 0 < len(words) < len(ids)  # image tokens came as well, and have no text
    tokenizer = adapter._parts.language.lm.tokenizer
    assert response.text == tokenizer.decode(words, skip_special_tokens=True)
    assert response.usage.vision_tokens == len(golden(f"ta.scale{scale + 1}.indices")[0])
    assert response.usage.completion_tokens == len(ids)


def test_no_answer_ends_before_it_may(build: Build):
    """Every id but a few ends an answer, so that only the bound keeps one going."""
    adapter = build()
    model = adapter._parts.language.model
    model.generation_config.eos_token_id = list(range(3, model.config.vocab_size))
    for least, tokens in ((0, range(1, 5)), (5, range(5, 6))):
        decoding = TextDecoding(max_new_tokens=5, min_new_tokens=least)
        request = AnswerRequest(prompt=QUESTION, images=(picture(),), decoding=decoding)
        (response,) = adapter.answer([request])
        assert response.usage.completion_tokens in tokens


def test_answers_depend_on_the_request_alone(build: Build):
    adapter = build(image_tokens="sampled")
    decoding = TextDecoding(max_new_tokens=8, temperature=0.9, top_p=0.9)
    requests = [
        AnswerRequest(prompt=text, images=(mosaic(n, *SIZES[n]),), decoding=decoding, seed=n)
        for n, text in enumerate(PROMPTS)
    ]
    together = [one.text for one in adapter.answer(requests)]
    assert together == [adapter.answer([request])[0].text for request in requests]
    assert together == [one.text for one in adapter.answer(requests[::-1])][::-1]


def test_sampled_codes_follow_the_seed_and_the_picture_s_place(build: Build):
    adapter = build(image_tokens="sampled")
    shown = (picture(), picture())
    codes = [
        adapter._inputs([AnswerRequest(prompt="", images=shown, seed=seed)]).tensors["input_ids"]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(codes[0], codes[1])
    assert not torch.equal(codes[0], codes[2])
    vocabulary = adapter._parts.language.vocabulary
    read = [code for t in codes[0][0].tolist() if (code := vocabulary.code_of(t)) is not None]
    assert len(read) == 162
    assert read[:81] != read[81:]


def test_a_likelihood_is_that_of_one_plain_pass(build: Build):
    adapter = build(read_scale=1)
    language, codes = adapter._parts.language, golden("ta.scale2.indices")
    continuations = ("A", "no", "a blue circle", "<I5>")
    requests = [
        LogLikelihoodRequest(prompt=text, images=(picture(n),), continuations=continuations)
        for n, text in enumerate(("Which?", "A longer question, is it?"))
    ]
    found = adapter.loglikelihood(requests)
    for n, request in enumerate(requests):
        context = answer_prompt(language, request.prompt, [codes[n].tolist()])
        for text, value in zip(continuations, found[n].loglikelihoods, strict=True):
            ids = [*context, *text.encode()]  # the byte-level vocabulary has its own order
            ids[len(context) :] = language.encode(text)
            with torch.no_grad():
                logits = language.model(torch.tensor([ids])).logits[0].log_softmax(-1)
            want = sum(float(logits[i - 1, ids[i]]) for i in range(len(context), len(ids)))
            assert value == pytest.approx(want, abs=1e-4)
    assert len(set(found[0].loglikelihoods)) == 4


def test_beams_are_searched_row_by_row(build: Build):
    adapter = build()
    decoding = TextDecoding(max_new_tokens=4, num_beams=2)
    requests = [AnswerRequest(prompt=text, decoding=decoding) for text in PROMPTS[:2]]
    together = [one.text for one in adapter.answer(requests)]
    assert together == [adapter.answer([request])[0].text for request in requests]


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_a_picture_is_what_the_parts_make(build: Build, scale: int):
    adapter = build(draw_scale=scale)
    parts = adapter._parts
    (response,) = adapter.generate_image([GenerateImageRequest(prompt="a cat", seed=5)])
    prompt = image_prompt(parts.language, "a cat", scale)
    (painted,) = paint(
        parts.language,
        [prompt],
        parts.ta_tok.tokens(scale),
        [stream_seed(5, "sampling")],
        Sampling(temperature=1.0, top_p=0.95, top_k=1200),
    )
    features = parts.ta_tok.decode(torch.tensor([painted.codes]))
    ar, vqvae = parts.detokenizer._ar, parts.detokenizer._vqvae
    codes = ar.generate(features, [stream_seed(5, "noise")], Guidance(scale=4.0), Sampling())
    assert response.image == to_image(vqvae.decode(codes)[0])
    assert response.image.size == (16, 16)


def test_pictures_depend_on_the_request_alone(build: Build):
    adapter = build(draw_scale=1)
    requests = drawings()
    together = adapter.generate_image(requests)
    backwards = adapter.generate_image(requests[::-1])[::-1]
    for n, request in enumerate(requests):
        (alone,) = adapter.generate_image([request])
        assert apart(alone, together[n]) <= 1
        assert apart(alone, backwards[n]) <= 1
    assert len({one.image.tobytes() for one in together}) == len(requests)
    other = adapter.generate_image([drawings()[0].__class__(prompt=PROMPTS[0], seed=77)])
    assert apart(other[0], together[0]) > 1


def test_guidance_is_the_request_s(build: Build):
    adapter = build(draw_scale=2)
    default, same, other = (
        adapter.generate_image(drawings(decoding=ImageDecoding(cfg_scale=scale))[:1])[0]
        for scale in (None, 4.0, 1.0)
    )
    assert apart(default, same) == 0
    assert apart(default, other) > 1


def test_an_incomplete_picture_says_so(build: Build):
    adapter = build(temperature=0)
    (response,) = adapter.generate_image([GenerateImageRequest(prompt="A photo of a macaw")])
    known = adapter._parts.language.vocabulary
    written = golden("llm.t2i_s0.greedy_ids")[0].tolist()
    count = sum(known.code_of(token) is not None for token in written)
    assert count == 77
    assert response.usage.vision_tokens == 77
    assert response.usage.completion_tokens == 81 - 77
    assert response.finish_reason is FinishReason.LENGTH
    complete = build(temperature=0, draw_scale=1)
    (response,) = complete.generate_image([GenerateImageRequest(prompt="A photo of a macaw")])
    assert response.usage.vision_tokens == 16
    assert response.finish_reason is FinishReason.STOP


def test_a_reconstruction_is_drawn_from_the_picture_s_tokens(build: Build):
    adapter = build()
    requests = [ReconstructRequest(image=picture(n), seed=n) for n in range(2)]
    together = adapter.reconstruct(requests)
    features = golden("ta.scale1.features_from_indices")
    ar, vqvae = adapter._parts.detokenizer._ar, adapter._parts.detokenizer._vqvae
    seeds = [stream_seed(n, "noise") for n in range(2)]
    codes = ar.generate(features, seeds, Guidance(scale=4.0), Sampling())
    for n in range(2):
        want = Response(image=to_image(vqvae.decode(codes[n : n + 1])[0]))
        assert apart(together[n], want) <= 1
        assert apart(adapter.reconstruct(requests[n : n + 1])[0], want) <= 1


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        (ImageDecoding(steps=20), "takes no steps"),
        (ImageDecoding(alpha=0.5), "takes no alpha"),
        (ImageDecoding(width=512, height=512), "16x16 pixels, not 512"),
        (ImageDecoding(cfg_scale=0.5), "cfg_scale of 0.5"),
    ],
)
def test_what_cannot_be_drawn_is_refused(build: Build, decoding: ImageDecoding, message: str):
    with pytest.raises(AdapterError, match=message) as caught:
        build().generate_image(drawings(decoding=decoding))
    assert caught.value.remedy


def test_halves_of_precision_serve_as_well(build: Build):
    adapter = build(dtype="bfloat16", detokenizer_dtype="bfloat16", draw_scale=2)
    request = AnswerRequest(
        prompt="?", images=(picture(),), decoding=TextDecoding(max_new_tokens=4)
    )
    assert adapter.answer([request])[0].usage.completion_tokens == 4
    first, again = (adapter.generate_image(drawings()[:1])[0] for _ in range(2))
    assert apart(first, again) == 0
    assert adapter._parts.ta_tok.codebook().dtype == torch.float32


# --- accounts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "tokens", "released"), [(0, 81, 729), (1, 16, 169), (2, 9, 81)])
def test_vision_tokens_are_counted(build: Build, scale: int, tokens: int, released: int):
    adapter = build(read_scale=scale)
    account = adapter.vision_tokens(640, 480)
    request = AnswerRequest(prompt="?", images=(mosaic(0, 64, 48), mosaic(1, 9, 9)))
    (response,) = adapter.answer([request])
    assert response.usage.vision_tokens == 2 * account.llm_tokens == 2 * tokens
    assert (account.patches, account.latent_grid) == (81, None)
    config = adapter._parts.language.model.config
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * 8 * 4
    assert account.kv_cache_bytes == per_token * tokens
    assert account.kv_cache_bytes_uncompressed == per_token * 81
    linear = 2 * sum(
        p.numel() for p in adapter._parts.language.model.model.layers.parameters() if p.ndim == 2
    )
    quadratic = 4 * config.num_hidden_layers * config.hidden_size
    assert account.prefill_flops == linear * tokens + quadratic * tokens**2
    assert account.prefill_flops_uncompressed == linear * 81 + quadratic * 81**2
    grid = SimpleNamespace(encoder=SimpleNamespace(grid=384 // 14))
    assert TaTok.tokens(grid, scale) == released  # type: ignore[arg-type]


def test_prompt_tokens_are_text(build: Build):
    adapter = build()
    plain, shown = (
        adapter.answer([AnswerRequest(prompt="What?", images=images)])[0].usage
        for images in ((), (picture(),))
    )
    assert plain.vision_tokens == 0
    assert shown.prompt_tokens == plain.prompt_tokens + 1  # the line feed behind the picture


def test_seconds_go_to_components(build: Build):
    adapter = build()
    with adapter.watch_components(count=False) as timed:
        adapter.answer([AnswerRequest(prompt="?", images=(picture(),))])
        adapter.generate_image(drawings()[:1])
    seconds = seconds_by_component(timed)
    assert set(seconds) == {"ta_tok_encode", "llm", "ta_tok_decode", "ar_dtok", "vqvae"}
    assert min(seconds.values()) > 0


def test_work_of_components_is_counted_by_phase(build: Build):
    adapter = build()
    with adapter.watch_components(count=True) as counted:
        (answer,) = adapter.answer([AnswerRequest(prompt="?", images=(picture(),))])
    assert counted["llm/prefill"].calls == 1
    assert counted["llm/prefill"].flops > counted["ta_tok_encode"].flops > 0
    tokens = answer.usage.completion_tokens
    decoded = counted["llm/decode"].calls if "llm/decode" in counted else 0
    assert decoded in (tokens - 1, tokens)


def test_weights_of_towers_are_those_that_are_computed_with(build: Build):
    """Against autograd: a weight that took no part has no gradient."""
    adapter = build()
    with adapter.watch_components(count=True) as counted:
        adapter.reconstruct([ReconstructRequest(image=picture())])
    tok = adapter._parts.ta_tok
    tok.requires_grad_(True)
    pixels = torch.rand(1, 3, tok.image_size, tok.image_size)
    tok.encoder(pixels, tok.settings.select_layer).sum().backward()
    tower = tok.decoder.vision_model
    width = tower.embeddings.patch_embedding.in_features
    tower(torch.rand(1, 4, width)).sum().backward()
    for name, module in (("ta_tok_encode", tok.encoder), ("ta_tok_decode", tower)):
        used = sum(one.nbytes for one in module.parameters() if one.grad is not None)
        assert 0 < counted[name].weight_bytes == used
        assert used < sum(one.nbytes for one in module.parameters())


def test_a_prefill_fills_the_cache_of_the_account(build: Build):
    adapter = build()
    account = adapter.vision_tokens(64, 64)
    assert adapter.prefill(account.llm_tokens) == account.kv_cache_bytes


def test_the_first_token_is_timed(build: Build):
    (answer,) = build().answer([AnswerRequest(prompt="?", images=(picture(),))])
    (image,) = build().generate_image(drawings()[:1])
    for response in (answer, image):
        assert 0 < response.timing.ttft_s < response.timing.total_s


# --- identity ------------------------------------------------------------------------------------

SWITCHES: list[dict[str, Any]] = [
    {},
    {"read_scale": 1},
    {"draw_scale": 1},
    {"image_tokens": "sampled"},
    {"preprocess": "demo"},
    {"temperature": 0.5},
    {"top_k": 7},
    {"top_p": 0.5},
    {"cfg_scale": 2.0},
    {"detokenizer": "none"},
    {"detokenizer_dtype": "bfloat16"},
    {"dtype": "bfloat16"},
    {"preset": "geneval-script", "resolution": 16},
]


def test_every_switch_is_part_of_the_identity(build: Build):
    found = [json.dumps(_plain(build(**switch))) for switch in SWITCHES]
    assert len(set(found)) == len(SWITCHES)
    assert json.dumps(_plain(build())) == found[0]


def _plain(adapter: TarAdapter) -> dict[str, Any]:
    print_ = adapter.fingerprint()
    return {name: getattr(print_, name) for name in print_.__struct_fields__}


@pytest.mark.parametrize("part", ["ta_tok", "ar_dtok", "vqvae", "llm/model"])
def test_the_hash_covers_every_part(folder: Path, build: Build, part: str):
    path = folder / f"{part}.safetensors"
    tensors = load_file(path)
    name = next(n for n in sorted(tensors) if n.endswith("norm1.weight") or "norm" in n)
    name = name if part != "vqvae" else "post_quant_conv.bias"
    save_file({**tensors, name: tensors[name] + 1}, path, {"format": "pt"})
    changed, ours = build(folder).fingerprint(), build().fingerprint()
    assert changed.weights_sha256 != ours.weights_sha256
    assert (changed.config, changed.parameters) == (ours.config, ours.parameters)


def test_a_script_s_settings_are_the_checkpoint_s(folder: Path, build: Build):
    stored = {"top_k": 20, "top_p": 0.8, "repetition_penalty": 1.1, "do_sample": True}
    (folder / "llm" / "generation_config.json").write_text(json.dumps(stored))
    found = build(folder, preset="geneval-script", resolution=16).fingerprint().defaults
    sampling = found["image_token_sampling"]
    assert {k: sampling[k] for k in ("top_k", "top_p", "repetition_penalty")} == {
        k: stored[k] for k in ("top_k", "top_p", "repetition_penalty")
    }
    ours = build(folder).fingerprint().defaults["image_token_sampling"]
    assert (ours["top_k"], ours["top_p"], ours["repetition_penalty"]) == (1200, 0.95, 1.0)


# --- checkpoints ---------------------------------------------------------------------------------


def test_without_a_detokenizer_it_answers_alone(folder: Path, build: Build):
    for name in ("ar_dtok", "vqvae"):
        (folder / f"{name}.safetensors").unlink()
    adapter = build(folder, detokenizer="none")
    assert Capability.GENERATE_IMAGE not in adapter.card.capabilities
    assert adapter.answer([AnswerRequest(prompt="?", images=(picture(),))])[0].text is not None
    for ask in (adapter.generate_image, adapter.reconstruct):
        with pytest.raises(CapabilityError, match="no capability"):
            ask([ReconstructRequest(image=picture())])
    with pytest.raises(CheckpointError, match="vqvae"):
        build(folder)


def test_one_of_several_detokenizers_is_chosen_by_resolution(folder: Path, build: Build):
    config = json.loads((folder / "config.json").read_text())
    small = json.loads(json.dumps(config["ar_dtok"]))
    small["args"]["max_seq_len"] = 4
    config["ar_dtok_lp_8px"] = small
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "ar_dtok_lp_8px.safetensors").write_bytes(
        (folder / "ar_dtok.safetensors").read_bytes()
    )
    with pytest.raises(CheckpointError, match="has 2 AR-DTok") as caught:
        build(folder)
    assert "ar_dtok_lp_8px.safetensors (8 pixels)" in caught.value.what
    assert "resolution=" in caught.value.remedy
    (response,) = build(folder, resolution=8).generate_image(drawings()[:1])
    assert response.image.size == (8, 8)
    with pytest.raises(CheckpointError, match="no AR-DTok for 256 pixels"):
        build(folder, preset="geneval-script")


@pytest.mark.parametrize(
    ("damage", "message", "remedy"),
    [
        (lambda f: (f / "ta_tok.safetensors").rename(f / "ta_tok.pth"), "pickles", "tar.convert"),
        (lambda f: (f / "ta_tok.safetensors").unlink(), "isn't a Tar checkpoint", "docs/tar.md"),
        (lambda f: (f / "llm").rename(f / "qwen"), "llm is missing", "llm=csuhan/Tar-1.5B"),
        (lambda f: (f / "ar_dtok.safetensors").unlink(), "no AR-DTok", "detokenizer=none"),
        (lambda f: (f / "config.json").unlink(), "config.json is missing", "convert"),
    ],
)
def test_what_is_missing_is_named(
    folder: Path, build: Build, damage: Callable[[Path], Any], message: str, remedy: str
):
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        build(folder)
    assert remedy in caught.value.remedy


def test_other_checkpoints_are_refused(build: Build):
    with pytest.raises(CheckpointError, match="model_type 'qwen2'"):
        build(TINY / "llm")
    with pytest.raises(CheckpointError, match="there is no folder csuhan/Tar"):
        build(Path("csuhan/Tar-1.5B"))
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        TarAdapter()


def test_a_language_model_of_another_width_is_used_by_its_name(folder: Path, build: Build):
    """As Tar-7B: wider than the codebook, and with an output layer of its own."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    other = folder.parent / "Tar-7B"
    (folder / "llm").rename(other)
    stored = json.loads((other / "config.json").read_text())
    size = {"hidden_size": 48, "num_attention_heads": 6, "tie_word_embeddings": False}
    config = Qwen2Config(**{**stored, **size})
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).save_pretrained(other)
    adapter = build(folder, llm=str(other))
    assert adapter.fingerprint().config["language"]["hidden_size"] == 48
    assert adapter.generate_image(drawings()[:1])[0].image.size == (16, 16)
    assert "lm_head.weight" in load_file(other / "model.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"read_scale": 3}, "read_scale=3"),
        ({"draw_scale": True}, "draw_scale=True"),
        ({"detokenizer": "vae"}, "detokenizer='vae'"),
        ({"resolution": 0}, "resolution=0"),
        ({"steps": 20}, "takes no steps"),
        ({"sana": "elsewhere"}, "takes no sana"),
        ({"detokenizer": "none", "resolution": 256}, "takes no resolution"),
        ({"preset": "paper"}, "preset='paper'"),
        ({"top_p": 2}, "top_p=2"),
        ({"cfg_scale": 0.5}, "cfg_scale=0.5"),
        ({"image_tokens": "random"}, "image_tokens='random'"),
        ({"detokenizer_dtype": "int8"}, "dtype='int8'"),
    ],
)
def test_impossible_options_are_refused(build: Build, options: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message) as caught:
        build(**options)
    assert caught.value.remedy


def test_prompts_that_do_not_fit_are_refused(build: Build):
    adapter = build()
    with pytest.raises(AdapterError, match="context"):
        adapter.answer([AnswerRequest(prompt="x" * 5000)])
    with pytest.raises(AdapterError, match="don't fit the context"):
        adapter.generate_image([GenerateImageRequest(prompt="x" * 4096)])
    with pytest.raises(CapabilityError, match="raw_text"):
        adapter.answer([AnswerRequest(prompt="x", raw=True)])


def test_closing_frees_the_weights():
    adapter = TarAdapter(str(TINY), device="cpu")
    held = [weakref.ref(adapter._parts.language.model), weakref.ref(adapter._parts.ta_tok)]
    adapter.answer([AnswerRequest(prompt="?", images=(picture(),))])
    adapter.generate_image(drawings()[:1])
    adapter.close()
    adapter.close()
    assert [one() for one in held] == [None, None]


def test_its_card_needs_no_torch():
    code = "import model_adapters.tar.adapter, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
