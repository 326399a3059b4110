from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.initialisation import fresh_model
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.sequence import IGNORE, LayoutError
from model_adapters.cheers.training import TrainingImages, text_targets, training_forward
from tests.cheers.conftest import SPECIAL, lively_model

START, IMAGE, GEN, END = (
    SPECIAL.im_start,
    SPECIAL.image_token_index,
    SPECIAL.image_gen_token_index,
    SPECIAL.im_end,
)
IDS = torch.tensor([[1, 2, START, GEN, END, 3, 0, 0], [4, START, IMAGE, END, 5, 6, 7, 8]])
MASK = torch.tensor([[1] * 6 + [0] * 2, [1] * 8])
LABELS = torch.where(torch.tensor([[1] * 8, [0] * 5 + [1] * 3]).bool(), IDS, IGNORE)


@pytest.fixture(scope="module")
def images(pixels: Callable[[int], Tensor], config: CheersConfig) -> TrainingImages:
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(2, config.latent_channels, 4, 4, generator=generator)
    both = torch.stack([pixels(0), pixels(1)])
    return TrainingImages(t=torch.tensor([0.3, 1.0]), noise=noise, pixels=both)


def run(model: CheersModel, images: TrainingImages, **options: bool):
    return training_forward(model, IDS, LABELS, MASK, images, **options)


def test_total_is_the_sum_and_targets_follow_t(model: CheersModel, images: TrainingImages) -> None:
    out = run(model, images)
    assert out.loss.item() == pytest.approx(out.text_loss.item() + out.image_loss.item())
    assert out.velocity.shape == out.target.shape == (2, 8, 4, 4)
    assert not out.target[1].any()
    clean = model.model.vae_model.encode(images.pixels)
    torch.testing.assert_close(out.target[0], (clean - images.noise)[0])


def test_padding_changes_nothing(model: CheersModel, images: TrainingImages) -> None:
    padded = run(model, images)
    wide = torch.nn.functional.pad
    out = training_forward(
        model, wide(IDS, (0, 5)), wide(LABELS, (0, 5)), wide(MASK, (0, 5)), images
    )
    torch.testing.assert_close(out.loss, padded.loss)
    torch.testing.assert_close(out.velocity, padded.velocity, rtol=1e-4, atol=1e-4)


def test_cached_latents_and_tower_pixels_give_the_same_losses(
    model: CheersModel, images: TrainingImages
) -> None:
    with torch.no_grad():
        latents = model.model.vae_model.encode(images.pixels)
        decoded = model.model.vae_decoder_projector(latents[1:])
    cached = images._replace(pixels=None, latents=latents, tower_pixels=decoded)
    torch.testing.assert_close(run(model, cached).loss, run(model, images).loss)


def test_only_understood_images_can_come_without_latents_of_their_own(
    model: CheersModel, images: TrainingImages
) -> None:
    everything = TrainingImages(t=torch.ones(2), pixels=images.pixels)
    out = run(model, everything)
    assert not out.target.any()
    with pytest.raises(LayoutError, match="need noise"):
        run(model, images._replace(noise=None))
    with pytest.raises(LayoutError, match="pixels or latents"):
        run(model, images._replace(pixels=None))


def test_flow_on_generated_images_only(model: CheersModel, images: TrainingImages) -> None:
    every, some = run(model, images), run(model, images, flow_on_understood=False)
    torch.testing.assert_close(some.velocity, every.velocity[:1], rtol=1e-4, atol=1e-4)
    assert some.image_loss.item() == pytest.approx(
        ((every.velocity - every.target)[:1] ** 2).mean().item(), rel=1e-4
    )
    nothing = TrainingImages(t=torch.ones(2), pixels=images.pixels)
    assert run(model, nothing, flow_on_understood=False).image_loss.item() == 0


def test_frozen_vae_and_projector_run_without_a_graph(
    config: CheersConfig, images: TrainingImages
) -> None:
    model = lively_model(config)
    model.model.vae_model.requires_grad_(requires_grad=False)
    model.model.vae_decoder_projector.requires_grad_(requires_grad=False)
    graphs: list[bool] = []
    model.model.vae_decoder_projector.register_forward_hook(
        lambda *call: graphs.append(call[2].requires_grad)
    )
    run(model, images).loss.backward()
    assert graphs == [False]
    with_grad = {name.split(".")[1] for name, p in model.named_parameters() if p.grad is not None}
    assert "vae_model" not in with_grad
    assert "vae_decoder_projector" not in with_grad
    assert {"language_model", "gen_projector", "hi_gate", "hi_projector"} <= with_grad


def test_the_vae_never_learns(config: CheersConfig, images: TrainingImages) -> None:
    model = lively_model(config)
    run(model, images).loss.backward()
    assert all(parameter.grad is None for parameter in model.model.vae_model.parameters())
    projector = model.model.vae_decoder_projector.parameters()
    assert all(parameter.grad is not None for parameter in projector)


def test_targets_are_the_next_labels_without_image_ends() -> None:
    labels = torch.tensor([[1, START, END, 4]])
    assert text_targets(labels, SPECIAL).tolist() == [[START, IGNORE, 4, IGNORE]]


def test_text_loss_is_the_mean_over_labelled_tokens(
    model: CheersModel, images: TrainingImages
) -> None:
    out = run(model, images)
    labelled = out.targets != IGNORE
    logits = model.lm_head(out.hidden)[labelled].log_softmax(-1)
    picked = logits.gather(1, out.targets[labelled][:, None])
    assert out.text_loss.item() == pytest.approx(-picked.mean().item(), rel=1e-5)


def test_rows_without_images_get_a_dummy_unless_told_otherwise(
    model: CheersModel, pixels: Callable[[int], Tensor]
) -> None:
    ids = torch.tensor([[1, 2, 3]])
    dummy = TrainingImages(t=torch.ones(1), pixels=pixels(0)[None])
    with_dummy = training_forward(model, ids, ids, None, dummy)
    assert with_dummy.hidden.shape[1] == 3 + model.config.tokens_per_image
    with pytest.raises(LayoutError, match=r"places 1 images \(1 of them dummies\) but 2 came"):
        training_forward(model, ids, ids, None, TrainingImages(t=torch.ones(2)))


def test_a_few_steps_lower_both_losses(config: CheersConfig, images: TrainingImages) -> None:
    model = fresh_model(config, seed=1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    history = []
    for _ in range(30):
        out = run(model, images)
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
        history.append((out.text_loss.item(), out.image_loss.item()))
    assert history[-1][0] < 0.5 * history[0][0]
    assert history[-1][1] < 0.8 * history[0][1]


def test_fresh_weights_are_a_function_of_the_seed(config: CheersConfig) -> None:
    before = torch.get_rng_state()
    first, same, other = (fresh_model(config, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert all(torch.isfinite(tensor.float()).all() for tensor in first.values())
    assert torch.equal(before, torch.get_rng_state())
