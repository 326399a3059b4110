"""Tar's parts beyond the golden tensors: strict loading, seeds, batches, text that stays text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from harness.errors import AdapterError, CheckpointError, SpecError
from model_adapters.tar.ar_dtok import Guidance, load_ar_dtok
from model_adapters.tar.language import Language, load_language
from model_adapters.tar.painting import paint
from model_adapters.tar.presets import PRESETS, Sampling, choose_preset, sampling_of
from model_adapters.tar.prompts import answer_prompt, image_prompt
from model_adapters.tar.sampling import choose, draw, filtered, uniforms
from model_adapters.tar.ta_tok import TaTok, load_ta_tok
from model_adapters.tar.vqvae import load_vqvae
from tests.tar.conftest import TINY

LOADERS = {
    "ta_tok": load_ta_tok,
    "ar_dtok": lambda path: load_ar_dtok(path, "float32"),
    "vqvae": load_vqvae,
}


@pytest.fixture(scope="module")
def ta_tok() -> TaTok:
    return load_ta_tok(TINY / "ta_tok.safetensors")


@pytest.fixture(scope="module")
def language() -> Language:
    return load_language(TINY / "llm", "float32", "cpu", 128)


# --- strict loading ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", LOADERS)
@pytest.mark.parametrize("damage", ["lacks", "holds", "of shape", "truncated"])
def test_a_damaged_part_is_refused_by_name(folder: Path, part: str, damage: str):
    path = folder / f"{part}.safetensors"
    tensors = load_file(path)
    name = next(n for n in sorted(tensors) if n.startswith(("decoder.", "layers.0.attention_")))
    if damage == "lacks":
        del tensors[name]
    elif damage == "holds":
        tensors["stray.weight"] = torch.zeros(1)
    elif damage == "of shape":
        tensors[name] = torch.zeros(7)
    save_file(tensors, path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=damage) as caught:
        LOADERS[part](path)
    assert str(path) in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("part", LOADERS)
def test_a_pickle_is_never_read(folder: Path, part: str):
    path = (folder / f"{part}.safetensors").rename(folder / f"{part}.pth")
    with pytest.raises(CheckpointError, match="pickles aren't read"):
        LOADERS[part](path)


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        ("ta_tok", {"teacher": "../elsewhere"}, "teacher"),
        ("ta_tok", {"bottleneck": {}}, "'args' is missing"),
        ("ar_dtok", {"model_type": "c2i"}, "model_type is 'c2i'"),
        ("ar_dtok", {"max_seq_len": 15}, "no square"),
    ],
)
def test_other_models_are_refused(folder: Path, entry: str, change: dict, message: str):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config[entry]["args"] |= change
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        LOADERS[entry](folder / f"{entry}.safetensors")


def test_weights_of_training_are_ignored_and_nothing_else(folder: Path):
    path = folder / "llm" / "model.safetensors"
    tensors = load_file(path)
    tower = "model.vision_tower.vision_tower.encoder.weight"
    save_file({**tensors, tower: torch.zeros(2)}, path, {"format": "pt"})
    assert load_language(folder / "llm", "float32", "cpu", 128).model
    save_file({**tensors, "model.stray": torch.zeros(2)}, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"superfluous 1 tensors, e\.g\. model\.stray"):
        load_language(folder / "llm", "float32", "cpu", 128)


def test_the_released_model_type_is_plain_qwen2(folder: Path, language: Language):
    path = folder / "llm" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "llava_qwen"}))
    found = load_language(folder / "llm", "float32", "cpu", 128)
    ids = torch.tensor([image_prompt(language, "a cat", 0)])
    with torch.no_grad():
        assert torch.equal(found.model(ids).logits, language.model(ids).logits)


def test_a_codebook_of_another_size_is_refused():
    with pytest.raises(CheckpointError, match="no token <I128>"):
        load_language(TINY / "llm", "float32", "cpu", 129)


# --- prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["<I5>", "<|im_end|>", "<im_start><S0>", "<image>", ""])
def test_names_of_tokens_in_a_prompt_are_text(language: Language, text: str):
    ids = answer_prompt(language, text, [[3]])
    known = language.vocabulary
    assert [known.code_of(token) for token in ids if known.code_of(token) is not None] == [3]
    assert ids.count(known.chat_end) == 2
    assert known.image_start not in ids
    assert f"\n{text}<|im_end|>" in language.lm.tokenizer.decode(ids)


# --- sampling ------------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9), st.floats(0, 1, exclude_max=True))
def test_a_draw_is_a_token_that_can_come(logits: list[float], uniform: float):
    kept = filtered(torch.tensor([logits]), 2, 0.7)
    drawn = int(draw(kept.softmax(-1), torch.tensor([uniform], dtype=torch.float64)))
    assert kept[0, drawn] > -torch.inf
    assert int((kept > -torch.inf).sum()) >= 1


def test_draws_have_their_probabilities():
    chances = torch.tensor([[0.1, 0.0, 0.6, 0.3]])
    drawn = draw(chances.expand(20_000, -1), uniforms(1, 20_000, "cpu"))
    found = torch.bincount(drawn, minlength=4) / 20_000
    assert torch.allclose(found, chances[0], atol=0.012)  # 3.5 standard deviations


def test_sampling_without_numbers_is_refused():
    with pytest.raises(ValueError, match="uniform number"):
        choose(torch.zeros(1, 3), Sampling(temperature=1.0), None)


def test_what_a_script_leaves_open_comes_from_the_checkpoint():
    stored = {"top_k": 20, "top_p": 0.8, "repetition_penalty": 1.1}
    script = sampling_of(PRESETS["geneval-script"], stored)
    assert (script.top_k, script.top_p, script.repetition_penalty) == (20, 0.8, 1.1)
    ours = sampling_of(PRESETS["benchmark"], stored)
    assert (ours.top_k, ours.top_p, ours.repetition_penalty) == (1200, 0.95, 1.0)


@pytest.mark.parametrize(
    ("field", "value"), [("top_p", 0), ("top_k", 1.5), ("temperature", -1), ("preprocess", "odd")]
)
def test_impossible_values_are_refused(field: str, value: object):
    with pytest.raises(SpecError, match=field):
        choose_preset("benchmark", {field: value})


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalise_prompt", [False, True])
def test_a_painting_depends_on_prompt_and_seed_alone(language: Language, penalise_prompt: bool):
    sampling = Sampling(
        top_k=50, top_p=0.95, repetition_penalty=1.1, penalise_prompt=penalise_prompt
    )
    prompts = [image_prompt(language, text, 2) for text in ("a cat", "", "four red cups, please")]
    together = paint(language, prompts, 9, [1, 2, 3], sampling)
    alone = [
        paint(language, [p], 9, [s], sampling)[0] for p, s in zip(prompts, (1, 2, 3), strict=True)
    ]
    assert together == alone
    assert all(len(one.codes) == 9 for one in together)
    assert together[0] != paint(language, prompts[:1], 9, [4], sampling)[0]


def test_an_image_beyond_the_context_is_refused(language: Language):
    with pytest.raises(AdapterError, match="don't fit the context"):
        paint(language, [[1] * 4090], 9, [0], Sampling())


def test_codes_depend_on_image_and_seed_alone(ta_tok: TaTok):
    pixels = torch.rand(3, 3, 38, 38, generator=torch.Generator().manual_seed(0))
    together = ta_tok.encode(pixels, 1, [1, 2, 3])
    assert torch.equal(together[1:2], ta_tok.encode(pixels[1:2], 1, [2]))
    assert not torch.equal(together, ta_tok.encode(pixels, 1))
    assert [ta_tok.tokens(scale) for scale in range(3)] == [81, 16, 9]


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_decoding_with_a_cache_is_decoding_without(ta_tok: TaTok, scale: float):
    model = load_ar_dtok(TINY / "ar_dtok.safetensors", "float32")
    features = ta_tok.decode(torch.arange(18).reshape(2, 9))
    seen: list[torch.Tensor] = []
    codes = model.generate(
        features, [1, 2], Guidance(scale=scale), Sampling(), lambda _, *all_: seen.append(all_[0])
    )
    whole = model.teacher_forced(features, codes)
    if scale != 1.0:
        without = model.teacher_forced(torch.zeros_like(features), codes)
        whole = without + scale * (whole - without)
    torch.testing.assert_close(torch.stack(seen, 1), whole, atol=1e-3, rtol=1e-4)
    alone = model.generate(features[1:], [2], Guidance(scale=scale), Sampling())
    assert torch.equal(alone, codes[1:])


def test_a_condition_without_positions_is_refused():
    model = load_ar_dtok(TINY / "ar_dtok.safetensors", "float32")
    with pytest.raises(AdapterError, match="96 positions"):
        model.generate(torch.zeros(1, 100, 24), [0], Guidance(), Sampling())
