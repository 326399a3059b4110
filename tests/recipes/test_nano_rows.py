"""Rows with shared prefixes train on what their branches would be as rows of their own."""

from __future__ import annotations

import pytest
import torch

from model_adapters.cheers import CheersModel, TrainingImages, fresh_model, training_forward
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.sequence import IGNORE, lay_out
from recipes.nano.architecture import nano_config
from recipes.nano.forward import Group, forward_losses
from recipes.nano.prompts import RowBuilder
from recipes.nano.rows import Piece, Row, collate
from recipes.nano.tokenizer import build_tokenizer, special_ids

TOKENS = 16


@pytest.fixture(scope="module")
def builder() -> RowBuilder:
    tokenizer = build_tokenizer()
    return RowBuilder(tokenizer, special_ids(tokenizer))


@pytest.fixture(scope="module")
def config() -> CheersConfig:
    tokenizer = build_tokenizer()
    return nano_config(tokenizer.get_vocab_size(), special_ids(tokenizer))


@pytest.fixture(scope="module")
def model(config: CheersConfig) -> CheersModel:
    made = fresh_model(config, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        # Modulations and gate begin at zero; here every path has to matter.
        for parameter in made.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return made


def _alone(row: Row, number: int) -> Row:
    return Row(row.prefix, (row.branches[number],), row.dummy)


def test_an_understood_row_is_laid_out_as_the_model_lays_it_out(
    builder: RowBuilder, config: CheersConfig
):
    row = builder.questions([("what color is the circle?", "red")])
    batch = collate([row], TOKENS)
    ids = row.prefix.ids + row.branches[0].ids
    labels = row.prefix.labels + row.branches[0].labels
    layout = lay_out([ids], [False], config.special_token_ids, TOKENS, [labels])
    assert torch.equal(batch.ids, layout.ids)
    assert torch.equal(batch.visual, layout.visual)
    assert torch.equal(batch.allowed, layout.attention())
    assert torch.equal(batch.positions, layout.positions)
    expected = torch.nn.functional.pad(layout.labels[:, 1:], (0, 1), value=IGNORE)
    assert torch.equal(batch.targets, expected)


def test_a_generated_row_with_a_dummy_is_laid_out_as_the_model_lays_it_out(
    builder: RowBuilder, config: CheersConfig
):
    row = builder.generation("a photo of a red circle", 1, drop=False, dummy=True)
    batch = collate([row], TOKENS)
    ids = row.prefix.ids + row.branches[0].ids
    layout = lay_out([ids], [True], config.special_token_ids, TOKENS)
    assert torch.equal(batch.ids, layout.ids)
    assert torch.equal(batch.allowed, layout.attention())
    assert torch.equal(batch.positions, layout.positions)
    assert int(batch.generated.sum()) == TOKENS
    assert int(batch.visual.sum()) == 2 * TOKENS


def test_branches_do_not_see_each_other(builder: RowBuilder):
    row = builder.questions([("what color is the circle?", "red"), ("how many?", "two")])
    batch = collate([row], TOKENS)
    start = len(row.prefix.ids) - 1 + TOKENS
    middle = start + len(row.branches[0].ids)
    assert not batch.allowed[0, middle:, start:middle].any()
    assert not batch.allowed[0, start:middle, middle:].any()
    assert batch.allowed[0, middle:, :start].all()
    assert int(batch.positions[0, middle]) == start


def test_padding_is_seen_by_nobody_else(builder: RowBuilder):
    short = builder.questions([("how many?", "two")])
    long = builder.questions([("where is the circle relative to the square?", "left of")])
    batch = collate([short, long], TOKENS)
    length = len(short.prefix.ids) - 1 + TOKENS + len(short.branches[0].ids)
    assert batch.ids.shape[1] > length
    assert not batch.allowed[0, :length, length:].any()
    assert batch.allowed.any(-1).all()
    assert (batch.targets[0, length:] == IGNORE).all()


def test_a_branch_of_several_equals_that_branch_alone(builder: RowBuilder, model: CheersModel):
    pairs = [("what color is the circle?", "red"), ("how many circles are in the image?", "two")]
    whole = builder.questions(pairs)
    seen = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    index = torch.zeros(1, dtype=torch.int64)
    together = forward_losses(model, [Group(collate([whole], TOKENS), seen, index)])
    parts = []
    for number in range(2):
        rows = collate([_alone(whole, number)], TOKENS)
        count = int((rows.targets != IGNORE).sum())
        parts.append((forward_losses(model, [Group(rows, seen, index)]).text, count))
    mean = sum(loss * count for loss, count in parts) / sum(count for _, count in parts)
    assert torch.allclose(together.text, torch.as_tensor(mean), atol=1e-5)


def test_losses_equal_those_of_the_models_own_training_forward(
    builder: RowBuilder, model: CheersModel, config: CheersConfig
):
    generator = torch.Generator().manual_seed(3)
    row = builder.generation("a photo of two squares", 1, drop=False, dummy=True)
    x1, x0 = (torch.randn(1, 16, 8, 8, generator=generator) for _ in range(2))
    dummy = torch.rand(1, 3, 64, 64, generator=generator)
    t = torch.tensor([0.3])
    index = torch.zeros(1, dtype=torch.int64)
    mine = forward_losses(model, [Group(collate([row], TOKENS), dummy, index, x1, x0, t)])
    ids = torch.tensor([row.prefix.ids + row.branches[0].ids])
    labels = torch.tensor([row.prefix.labels + row.branches[0].labels])
    clean = model.model.vae_model.encode(dummy).detach()
    images = TrainingImages(
        t=torch.tensor([1.0, 0.3]),
        noise=torch.cat([torch.zeros_like(x0), x0]),
        latents=torch.cat([clean, x1]),
        tower_pixels=dummy,
    )
    theirs = training_forward(
        model, ids, labels, None, images, dummies=[True], flow_on_understood=False
    )
    assert torch.allclose(mine.text, theirs.text_loss, atol=1e-5)
    assert torch.allclose(mine.image, theirs.image_loss, atol=1e-5)


def test_a_dropped_prompt_keeps_brackets_and_has_no_labels(builder: RowBuilder):
    tokenizer = build_tokenizer()
    special = special_ids(tokenizer)
    row = builder.editing("make the circle red", 2, drop=True)
    text = {token for token in row.prefix.ids if token >= 0}
    assert text == {special.no_mean, special.im_start, special.im_end}
    assert row.prefix.ids.count(special.image_token_index) == 1
    assert set(row.prefix.labels) == {IGNORE}


def test_the_first_token_of_a_branch_is_not_a_target_of_the_prefix():
    row = Row(Piece([5, 6], [IGNORE, IGNORE]), (Piece([7, 8], [7, 8]), Piece([9, 8], [9, 8])))
    targets = collate([row], TOKENS).targets
    assert targets.tolist() == [[IGNORE, IGNORE, 8, IGNORE, 8, IGNORE]]
