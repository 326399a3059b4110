from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
import torch
from torch import Tensor

from model_adapters.cheers.cache import KVCache, Window
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.decoding import Decoding
from model_adapters.cheers.generation import (
    ImageResult,
    edit_image,
    generate_image,
    generate_interleaved,
    image_noise,
)
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings, Step
from model_adapters.cheers.schedule import schedule, step_sizes
from model_adapters.cheers.session import Ablations, ContextLengthError, open_session
from tests.cheers.conftest import SPECIAL, lively_model, small_config

SETTINGS = ImageSettings(steps=3, cfg_scale=2.0, alpha=0.5)


@pytest.fixture(scope="module")
def prompts(ragged: list[Prompt]) -> list[Prompt]:
    return [prompt._replace(ids=[*prompt.ids, SPECIAL.im_start]) for prompt in ragged]


@pytest.fixture(scope="module")
def noise(config: CheersConfig) -> list[torch.Tensor]:
    return [image_noise(config, seed) for seed in range(4)]


def latents_of(results: list[ImageResult]) -> torch.Tensor:
    return torch.stack([result.latents for result in results])


def test_noise_is_a_function_of_the_seed_alone(config: CheersConfig) -> None:
    before = torch.get_rng_state()
    assert torch.equal(image_noise(config, 3), image_noise(config, 3))
    assert not torch.equal(image_noise(config, 3), image_noise(config, 4))
    assert image_noise(config, 0).shape == (8, 4, 4)
    assert torch.equal(before, torch.get_rng_state())


def test_an_image_does_not_depend_on_its_batch(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    together = latents_of(generate_image(model, prompts, noise, SETTINGS))
    alone = torch.cat(
        [
            latents_of(generate_image(model, [prompt], [one], SETTINGS))
            for prompt, one in zip(prompts, noise, strict=True)
        ]
    )
    shuffled = latents_of(generate_image(model, prompts[::-1], noise[::-1], SETTINGS)).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(together, shuffled, rtol=1e-3, atol=1e-3)


def test_results_have_the_promised_shapes(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    settings = ImageSettings(steps=3, cfg_scale=2.0, heat_maps=True)
    result = generate_image(model, prompts[:1], noise[:1], settings)[0]
    assert result.image.shape == (3, 16, 16)
    assert 0 <= float(result.image.min()) <= float(result.image.max()) <= 1
    assert result.heat_maps is not None
    assert result.heat_maps.shape == (3, 4, 4)
    assert result.text is None


def test_settings_differ_per_sample(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    items = [SETTINGS, ImageSettings(steps=2, cfg_scale=1.0, alpha=1.0)] * 2
    mixed = generate_image(model, prompts, noise, items)
    for index, item in enumerate(items):
        (alone,) = generate_image(model, [prompts[index]], [noise[index]], item)
        torch.testing.assert_close(mixed[index].latents, alone.latents, rtol=1e-3, atol=1e-3)


def count_calls(model: CheersModel, run: Callable[[], object]) -> Counter[str]:
    """Calls and batch rows of vision tower and backbone."""
    seen: Counter[str] = Counter()
    handles = []
    for name in ("vision_representation", "language_model"):

        def count(_: object, inputs: tuple[Tensor, ...], __: object, name: str = name) -> None:
            seen[f"{name} calls"] += 1
            seen[f"{name} rows"] += len(inputs[0])

        handles.append(model.model.get_submodule(name).register_forward_hook(count))
    run()
    for handle in handles:
        handle.remove()
    return seen


def test_branches_share_the_vision_side_and_one_backbone_pass(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    def run(settings: ImageSettings) -> Callable[[], object]:
        return lambda: generate_image(model, prompts[3:], noise[3:], settings)

    shared = count_calls(model, run(SETTINGS))
    twice = count_calls(model, run(ImageSettings(**{**as_dict(SETTINGS), "share_vision": False})))
    plain = count_calls(model, run(ImageSettings(steps=3, cfg_scale=1.0)))
    # three steps and the prefill
    assert shared["vision_representation rows"] == plain["vision_representation rows"] == 3
    assert twice["vision_representation rows"] == 6
    assert shared["language_model calls"] == plain["language_model calls"] == 4
    assert shared["language_model rows"] == 2 * plain["language_model rows"]


def as_dict(settings: ImageSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def test_sharing_the_vision_side_changes_nothing(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    twice = ImageSettings(**{**as_dict(SETTINGS), "share_vision": False})
    torch.testing.assert_close(
        latents_of(generate_image(model, prompts, noise, SETTINGS)),
        latents_of(generate_image(model, prompts, noise, twice)),
        rtol=1e-3,
        atol=1e-3,
    )


def test_the_cache_is_allocated_once(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step copies keys or values; and behind the last image nothing more is run."""
    sizes: list[list[int]] = []
    real = KVCache.window

    def window(self: KVCache, count: int) -> Window:
        found = real(self, count)
        sizes.append([tensor.data_ptr() for tensor in (*self.keys, *self.values)])
        return found

    monkeypatch.setattr(KVCache, "window", window)
    generate_image(model, prompts[3:], noise[3:], SETTINGS)
    assert len(sizes) == 4  # prefill, three steps
    assert all(pointers == sizes[0] for pointers in sizes)


def test_callback_sees_each_step_and_explains_the_path(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    steps: list[Step] = []
    (result,) = generate_image(model, prompts[:1], noise[:1], SETTINGS, callback=steps.append)
    assert [step.number for step in steps] == [0, 1, 2]
    assert {step.total for step in steps} == {3}
    times = schedule(3, 0.5)
    assert [step.t for step in steps] == times.tolist()
    assert torch.equal(steps[0].latents[0], noise[0])
    latents = steps[0].latents
    for step, size in zip(steps, step_sizes(times).tolist(), strict=True):
        torch.testing.assert_close(step.latents, latents)
        assert step.unconditional is not None
        guided = step.unconditional + 2.0 * (step.conditional - step.unconditional)
        latents = latents + size * guided
    torch.testing.assert_close(latents[0], result.latents)


def test_guidance_of_one_is_no_guidance(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    steps: list[Step] = []
    plain = ImageSettings(steps=2, cfg_scale=1.0)
    generate_image(model, prompts[:1], noise[:1], plain, callback=steps.append)
    assert all(step.unconditional is None for step in steps)


def test_injection_off_silences_gate_and_patches(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    off = ImageSettings(steps=2, cfg_scale=1.0, heat_maps=True, ablations=Ablations(inject=False))
    on = ImageSettings(steps=2, cfg_scale=1.0, heat_maps=True)
    (without,) = generate_image(model, prompts[:1], noise[:1], off)
    (with_it,) = generate_image(model, prompts[:1], noise[:1], on)
    assert without.heat_maps is not None
    assert with_it.heat_maps is not None
    assert not without.heat_maps.any()
    assert with_it.heat_maps.any()
    assert not torch.allclose(without.latents, with_it.latents)


def test_without_reconstruction_the_tower_sees_the_pixels(
    model: CheersModel, ragged: list[Prompt]
) -> None:
    direct = open_session(model, ragged[:1], ablations=Ablations(reconstruct=False)).logits()
    decoded = open_session(model, ragged[:1]).logits()
    assert not torch.allclose(direct, decoded)
    seen: list[torch.Tensor] = []
    tower = model.model.vision_representation
    handle = tower.register_forward_hook(lambda *call: seen.append(call[1][0]))
    open_session(model, ragged[:1], ablations=Ablations(reconstruct=False))
    handle.remove()
    assert torch.equal(seen[0], torch.stack(ragged[0].pixels))


def test_text_goes_on_behind_the_image(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    text = Decoding(max_new_tokens=4)
    together = generate_image(model, prompts, noise, SETTINGS, text=text)
    for result, prompt, one in zip(together, prompts, noise, strict=True):
        (alone,) = generate_image(model, [prompt], [one], SETTINGS, text=text)
        assert result.text == alone.text
        assert result.text is not None
        assert result.text.ids


def test_text_behind_an_image_needs_no_twins(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    def run(text: Decoding | None) -> Callable[[], object]:
        return lambda: generate_image(model, prompts[3:], noise[3:], SETTINGS, text=text)

    silent = count_calls(model, run(None))
    talking = count_calls(model, run(Decoding(max_new_tokens=3)))
    # the image's end in both branches, and two tokens in one; the third is chosen and not run
    assert talking["language_model rows"] - silent["language_model rows"] == 2 + 2


def test_editing_starts_between_noise_and_source(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    steps: list[Step] = []
    settings = ImageSettings(steps=10, cfg_scale=1.0, edit_start=0.4)
    edit_image(model, prompts[:2], noise[:2], settings, callback=steps.append)
    assert len(steps) == 6
    with torch.no_grad():
        sources = torch.stack([prompt.pixels[-1] for prompt in prompts[:2]])
        clean = model.model.vae_model.encode(sources)
    start = 0.4 * clean + 0.6 * torch.stack(noise[:2])
    torch.testing.assert_close(steps[0].latents, start, rtol=1e-3, atol=1e-4)


def encoded(model: CheersModel, run: Callable[[], object]) -> int:
    """How many pictures the VAE encodes meanwhile."""
    counts: list[int] = []
    handle = model.model.vae_model.encoder.register_forward_pre_hook(
        lambda _, args: counts.append(len(args[0]))
    )
    run()
    handle.remove()
    return sum(counts)


def test_a_source_is_encoded_once(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    """For the look at it and for the start of the path, and for several edits of it."""
    edits = [prompts[1], prompts[1]._replace(pixels=(prompts[1].pixels[0].clone(),))]
    assert encoded(model, lambda: edit_image(model, edits, noise[:2], SETTINGS)) == 1
    assert encoded(model, lambda: edit_image(model, prompts[:1], noise[:1], SETTINGS)) == 2
    other = [prompts[0].pixels[0]]
    apart = encoded(model, lambda: edit_image(model, edits[:1], noise[:1], SETTINGS, sources=other))
    assert apart == 2
    direct = msgspec.structs.replace(SETTINGS, ablations=Ablations(reconstruct=False))
    assert encoded(model, lambda: edit_image(model, edits, noise[:2], direct)) == 1


def test_edits_of_other_settings_start_where_they_say(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    other = msgspec.structs.replace(SETTINGS, steps=5, edit_start=0.6)
    sources = [prompts[0].pixels[1], prompts[1].pixels[0]]
    mixed = latents_of(
        edit_image(model, prompts[:2], noise[:2], [SETTINGS, other], sources=sources)
    )
    alone = torch.cat(
        [
            latents_of(edit_image(model, [prompt], [one], item, sources=[source]))
            for prompt, one, item, source in zip(
                prompts[:2], noise[:2], [SETTINGS, other], sources, strict=True
            )
        ]
    )
    torch.testing.assert_close(mixed, alone, rtol=1e-3, atol=1e-4)


def test_a_source_for_each_prompt_is_demanded(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    with pytest.raises(ValueError, match="zip"):
        edit_image(model, prompts[:2], noise[:2], SETTINGS, sources=[prompts[0].pixels[0]])


def test_editing_nothing_is_an_error(
    model: CheersModel, prompts: list[Prompt], noise: list[Tensor]
) -> None:
    with pytest.raises(ValueError, match="no image"):
        edit_image(model, prompts[3:], noise[3:], SETTINGS)


def test_an_image_that_does_not_fit_the_context_is_an_error() -> None:
    small = small_config(context=7)
    with pytest.raises(ContextLengthError, match="row 0: an image of 5 tokens does not fit"):
        generate_image(
            lively_model(small),
            [Prompt([1, 2, 3])],
            [image_noise(small, 0)],
            ImageSettings(steps=1),
        )


def test_an_image_that_the_model_begins_itself(model: CheersModel, noise: list[Tensor]) -> None:
    prompt, settings = Prompt([1, 2, 3]), ImageSettings(steps=2, cfg_scale=2.0)
    eager = force(model, SPECIAL.im_start)
    (result,) = generate_interleaved(
        eager, [prompt], lambda _, k: noise[k], settings, Decoding(max_new_tokens=9), max_images=2
    )
    start, end = SPECIAL.im_start, SPECIAL.im_end
    assert result.ids == [start, end, start, end, start]
    assert result.finish_reason == "image"
    ready = prompt._replace(ids=[*prompt.ids, start])
    (drawn,) = generate_image(eager, [ready], [noise[0]], settings)
    torch.testing.assert_close(result.images[0].latents, drawn.latents, rtol=1e-3, atol=1e-3)


def test_a_least_length_is_of_the_whole_and_not_of_each_text(
    model: CheersModel, noise: list[Tensor]
) -> None:
    eager, decoding = force(model, SPECIAL.im_start), Decoding(max_new_tokens=10, min_new_tokens=6)
    (result,) = generate_interleaved(
        eager, [Prompt([1, 2, 3])], lambda _, k: noise[k], ImageSettings(steps=2), decoding
    )
    start, end = SPECIAL.im_start, SPECIAL.im_end
    assert result.ids.index(start) == 6
    assert result.ids[7:] == [end, start]


def force(model: CheersModel, token: int):
    """A model like this one that always predicts one token: its hidden state is constant."""
    eager = lively_model(model.config)
    text = eager.model.language_model
    with torch.no_grad():
        text.norm.weight.zero_()
        text.norm.register_forward_hook(lambda *call: call[2] + text.embed_tokens.weight[token])
        text.embed_tokens.weight[token] *= 50
    return eager


def test_larger_images_interpolate_the_positions(model: CheersModel, prompts: list[Prompt]) -> None:
    generator = torch.Generator().manual_seed(0)
    large = [torch.randn(8, 8, 8, generator=generator)]
    (result,) = generate_image(model, prompts[3:], large, SETTINGS)
    assert result.image.shape == (3, 32, 32)
    tower = model.model.vision_representation.embeddings
    table = tower.position_embedding.weight.detach()
    assert torch.equal(tower.positions(4, 4)[0], table)
    grid = table.T.reshape(1, -1, 4, 4)
    wide = torch.nn.functional.interpolate(grid, size=(8, 8), mode="bicubic")
    torch.testing.assert_close(tower.positions(8, 8)[0].T.reshape(1, -1, 8, 8), wide)
