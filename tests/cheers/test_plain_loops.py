"""The loops that speed is measured against give the same pictures and answers, and the mid-size
model spends its operations where the released one does."""

from __future__ import annotations

import pytest
import torch

from benchmarks.flops import shares, step_gflops
from benchmarks.midsize import midsize_config, random_prompts
from benchmarks.plainly import answer_plainly, draw_plainly, score_plainly
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.generation import generate_image, image_noise
from model_adapters.cheers.likelihood import loglikelihood
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings

PUBLISHED = {
    "decoder_projector": 2516,
    "tower": 974,
    "und_projector": 15,
    "llm": 682,
    "gen_projector": 128,
    "hi_gate": 3,
    "hi_projector": 131,
}
"""GFLOPs of the released sizes, from their shapes; the tower's include the patch embedding."""


def test_the_parts_of_a_released_step() -> None:
    counted = step_gflops(CheersConfig.released())
    assert {name: round(value) for name, value in counted.items()} == {
        **PUBLISHED,
        "und_projector": pytest.approx(15, abs=1),
    }


def test_the_midsize_model_has_the_released_shares() -> None:
    released = shares(step_gflops(CheersConfig.released()))
    midsize = shares(step_gflops(midsize_config()))
    assert midsize == {name: pytest.approx(share, abs=0.015) for name, share in released.items()}


@pytest.mark.parametrize("batch", [1, 3])
def test_the_plain_drawing_is_ours(model: CheersModel, batch: int) -> None:
    prompts = random_prompts(model.config, batch, words=6, drawing=True)
    noise = [image_noise(model.config, seed) for seed in range(batch)]
    settings = ImageSettings(steps=3, cfg_scale=2.0, alpha=0.5)
    ours = torch.stack([r.image for r in generate_image(model, prompts, noise, settings)])
    plain = draw_plainly(model, prompts, torch.stack(noise), settings)
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


def test_the_plain_answers_are_ours(model: CheersModel, ragged: list[Prompt]) -> None:
    plain = answer_plainly(model, ragged, 12)
    ours = generate_text(model, ragged, Decoding(max_new_tokens=12))
    assert plain == [result.ids for result in ours]
    assert len({tuple(ids) for ids in plain}) > 1


def test_the_plain_scores_are_ours(model: CheersModel, ragged: list[Prompt]) -> None:
    prompts = [ragged[0], *ragged]
    answers = [[3, 4], [5], [6, 7, 8], [9, 10, 11, 12], [13, 14]]
    ours = [result.total for result in loglikelihood(model, prompts, answers)]
    assert score_plainly(model, prompts, answers) == pytest.approx(ours, abs=1e-4)
