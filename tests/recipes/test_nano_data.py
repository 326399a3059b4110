"""What the nano is trained on: questions, batches, tower labels, tokenizer, curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.nano.architecture import nano_config
from recipes.nano.curves import averages, write_csv, write_svg
from recipes.nano.evaluate import satisfies, save_grid
from recipes.nano.facts import as_mcq, facts_of
from recipes.nano.tokenizer import (
    CHAT_TEMPLATE,
    SPECIAL_TOKENS,
    build_tokenizer,
    save_tokenizer,
    special_ids,
)
from recipes.nano.tower_stage import patch_labels
from tasks.scoring.mmbench import can_infer
from tasks.shapes.world import (
    COLORS,
    SHAPES,
    Scene,
    edit_sample,
    format_mcq,
    generation_sample,
    mcq_sample,
    render,
    word_sample,
)


@pytest.mark.parametrize("index", range(50))
def test_facts_agree_with_the_suites_own_question(index: int):
    sample = mcq_sample(3, "train", index)
    asked = [fact for fact in facts_of(sample.scene) if fact.question == sample.question]
    assert sample.options[sample.answer] in {fact.answer for fact in asked}
    for fact in asked:
        assert fact.answer not in fact.wrong
        assert len(set(fact.wrong)) >= 3


@pytest.mark.parametrize("index", range(20))
def test_a_training_question_has_the_suites_form_and_a_readable_answer(index: int):
    rng = np.random.default_rng(index)
    fact = facts_of(mcq_sample(0, "train", index).scene)[0]
    text, answer = as_mcq(fact, rng)
    question, *options = text.splitlines()
    texts = tuple(line[3:] for line in options)
    assert text == format_mcq(question, texts)
    assert can_infer(answer, dict(zip("ABCD", texts, strict=True))) == "ABCD"[texts.index(answer)]


def test_patches_know_what_stands_on_them():
    sample = generation_sample(0, "train", 3)
    item = sample.scene.objects[0]
    kinds, colors = patch_labels([sample.scene], 8, 8)[0]
    x, y = (int(value // 8) for value in item.center)
    assert int(kinds[8 * y + x]) == 1 + SHAPES.index(item.shape)
    assert int(colors[8 * y + x]) == 1 + list(COLORS).index(item.color)
    assert int(kinds[0]) == int(colors[0]) == 0


def test_patches_of_a_word_name_its_letters_from_left_to_right():
    sample = word_sample(0, "train", 0)
    kinds = patch_labels([sample.scene], 8, 8)[0, 0].view(8, 8)
    row = kinds[kinds.sum(1).argmax()]
    seen = list(dict.fromkeys(row[row > 0].tolist()))
    letters = list(dict.fromkeys(sample.answer))
    assert len(seen) == len(letters)


def test_an_empty_scene_is_all_background():
    assert not patch_labels([Scene()], 8, 8).any()


# --- tokenizer --------------------------------------------------------------------------------


def test_every_text_of_the_world_is_known_and_comes_back():
    tokenizer = build_tokenizer()
    unknown = tokenizer.token_to_id("[UNK]")
    for index in range(60):
        sample = mcq_sample(0, "test", index)
        texts = [
            generation_sample(0, "test", index).prompt,
            edit_sample(0, "test", index).instruction,
            word_sample(0, "test", index).answer,
            *sample.options,
        ]
        for text in texts:
            ids = tokenizer.encode(text).ids
            assert unknown not in ids
            assert tokenizer.decode(ids) == text


def test_words_are_spelled_and_known_words_are_not():
    tokenizer = build_tokenizer()
    assert tokenizer.encode("HEX").tokens == ["H", "##E", "##X"]
    whole = tokenizer.encode("a photo of two squares").tokens
    assert whole == ["a", "photo", "of", "two", "squares"]


def test_special_tokens_come_first_and_keep_their_text():
    tokenizer = build_tokenizer()
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(8))
    special = special_ids(tokenizer)
    assert special.chat_end_eos == tokenizer.token_to_id("<|im_end|>")
    ids = tokenizer.encode("<im_start><image><im_end>\nhow many?").ids
    assert ids[:3] == [special.im_start, special.image_placeholder_token, special.im_end]


def test_the_saved_tokenizer_is_read_by_transformers(tmp_path: Path):
    from transformers import AutoTokenizer

    save_tokenizer(build_tokenizer(), tmp_path)
    loaded = AutoTokenizer.from_pretrained(str(tmp_path))
    text = loaded.apply_chat_template(
        [{"role": "user", "content": "how many?"}], tokenize=False, add_generation_prompt=True
    )
    assert loaded.chat_template == CHAT_TEMPLATE
    assert text.startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n")
    assert text.endswith("<|im_start|>user\nhow many?<|im_end|>\n<|im_start|>assistant\n")
    assert loaded.eos_token_id == special_ids(build_tokenizer()).chat_end_eos


def test_the_architecture_is_the_promised_one():
    config = nano_config()
    assert (config.image_size, config.latent_grid, config.tokens_per_image) == (64, 8, 16)
    assert config.latent_channels == 16


# --- watching a run ---------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(36))
def test_a_true_image_satisfies_its_record_and_an_empty_one_does_not(index: int):
    sample = generation_sample(9, "test", index)
    assert satisfies(sample.metadata, render(sample.scene))
    assert not satisfies(sample.metadata, render(Scene()))


@pytest.mark.parametrize("index", [1, 3, 4, 5])
def test_another_prompts_image_does_not_satisfy_a_record(index: int):
    sample = generation_sample(9, "test", index)
    others = [generation_sample(10, "test", index + 6 * k) for k in range(1, 20)]
    different = [o for o in others if o.prompt != sample.prompt]
    wrong = sum(satisfies(sample.metadata, render(o.scene)) for o in different)
    assert wrong < len(different) / 2


def test_curves_average_within_stages(tmp_path: Path):
    rows = [
        {"step": s, "seconds": 2.0 * s, "stage": "align" if s < 3 else "joint", "text": float(s)}
        for s in range(6)
    ]
    log = tmp_path / "joint.jsonl"
    log.write_text("".join(json.dumps({**row, "image": 1.0}) + "\n" for row in rows))
    points = averages(log, span=10)
    assert [(p.stage, p.step, p.text) for p in points] == [("align", 2, 1.0), ("joint", 5, 4.0)]
    write_csv(points, tmp_path / "loss.csv")
    assert (tmp_path / "loss.csv").read_text().splitlines()[1] == "2,align,4,1.0000,1.0000"
    write_svg(points, tmp_path / "loss.svg")
    assert (tmp_path / "loss.svg").read_text().count("<polyline") == 2


def test_a_grid_has_one_cell_per_image(tmp_path: Path):
    from PIL import Image

    save_grid([np.full((4, 4, 3), k, dtype=np.uint8) for k in range(5)], tmp_path / "g.png", 3)
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.size == (12, 8)


def test_patch_centring_removes_what_all_patches_share():
    from model_adapters.cheers import fresh_model
    from recipes.nano.training_stage import center_patches

    model = fresh_model(nano_config(), seed=0)
    pixels = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    center_patches(model, pixels)
    embedded = model.model.vision_representation.embeddings.patch_embedding(pixels)
    assert torch.allclose(embedded.mean((0, 2, 3)), torch.zeros(128), atol=1e-4)
    assert torch.allclose(embedded.std((0, 2, 3)), torch.ones(128), atol=1e-2)
