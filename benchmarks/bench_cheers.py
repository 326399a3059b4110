"""What sharing and batching are worth in CHEERS, as ratios within one run.

Run with `python -m pytest benchmarks/bench_cheers.py -m bench --benchmark-enable -s`. The model is
cheers-nano; where its weights are absent, the same architecture with random weights, which takes
the same time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from msgspec import structs
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.ratios import compare
from model_adapters.cheers import (
    Checkpoint,
    CheersModel,
    CheersProcessor,
    CheersTokenizer,
    Decoding,
    ImageSettings,
    Prompt,
    fresh_model,
    from_pretrained,
    generate_image,
    generate_text,
    image_noise,
    loglikelihood,
)
from model_adapters.cheers.embedded import NANO_FOLDER
from model_adapters.cheers.memory_format import use_channels_last
from model_adapters.cheers.schedule import step_sizes
from model_adapters.cheers.sequence import unconditional
from model_adapters.cheers.session import Session, open_session
from recipes.nano.architecture import nano_config
from recipes.nano.tokenizer import build_tokenizer, special_ids
from tasks.probes.inputs import picture

pytestmark = pytest.mark.bench

SETTINGS = ImageSettings(steps=10, cfg_scale=3.0, alpha=1.0)
QUESTION = "what color is the circle?"
DRAWING = "a red circle above a blue square"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    if (NANO_FOLDER / "config.json").is_file():
        return from_pretrained(NANO_FOLDER, dtype="float32")
    tokenizer = build_tokenizer()
    config = nano_config(tokenizer.get_vocab_size(), special_ids(tokenizer))
    processor = CheersProcessor(config, CheersTokenizer(tokenizer, config.special_token_ids))
    return Checkpoint(fresh_model(config, 0).eval(), processor)


def drawing_prompts(checkpoint: Checkpoint, count: int) -> list[Prompt]:
    return [checkpoint.processor.image_prompt(DRAWING, seed=seed) for seed in range(count)]


@torch.no_grad()
def draw_plainly(model: CheersModel, prompts: Sequence[Prompt], noise: Tensor) -> Tensor:
    """The textbook loop: each branch has its own pass, and looks at the latent itself."""
    special = model.config.special_token_ids
    bare = [prompt._replace(ids=unconditional(prompt.ids, special)) for prompt in prompts]
    branches = [open_session(model, prompts), open_session(model, bare)]
    times, latents = SETTINGS.times(editing=False), noise
    for t, size in zip(times.tolist(), step_sizes(times).tolist(), strict=True):
        wanted, unwanted = (branch_velocity(session, latents, t) for session in branches)
        latents = latents + size * (unwanted + SETTINGS.cfg_scale * (wanted - unwanted))
    images: Tensor = model.model.vae_model.decode(latents)
    return images.clamp(0, 1)


def branch_velocity(session: Session, latents: Tensor, t: float) -> Tensor:
    seen = session.model.see_latents(latents)
    window = session.cache.window(seen.tokens.shape[1])
    hidden = session.run(seen.tokens, window, causal=False)
    times = torch.full((len(hidden),), t, device=hidden.device, dtype=hidden.dtype)
    return session.model.velocity(hidden, seen.patches, times).velocity


@pytest.mark.parametrize("batch", [1, 4])
def test_guidance_with_shared_vision(
    benchmark: BenchmarkFixture, checkpoint: Checkpoint, batch: int
):
    """One look per step for both branches, against the textbook loop; the pictures agree."""
    model, prompts = checkpoint.model, drawing_prompts(checkpoint, batch)
    noise = [image_noise(model.config, seed) for seed in range(batch)]
    shared = torch.stack([r.image for r in generate_image(model, prompts, noise, SETTINGS)])
    torch.testing.assert_close(
        shared, draw_plainly(model, prompts, torch.stack(noise)), atol=2e-3, rtol=0
    )
    ratio = compare(
        benchmark,
        lambda: generate_image(model, prompts, noise, SETTINGS),
        lambda: draw_plainly(model, prompts, torch.stack(noise)),
        rounds=9,
    )
    print(f"\nCFG, batch {batch}: shared vision is {ratio} faster than two separate passes")
    assert ratio.median > 1.25


def test_shared_vision_alone(benchmark: BenchmarkFixture, checkpoint: Checkpoint):
    """The same batched pass over both branches, with one look at the latent or two."""
    model, prompts = checkpoint.model, drawing_prompts(checkpoint, 1)
    noise, twice = [image_noise(model.config, 0)], structs.replace(SETTINGS, share_vision=False)
    ratio = compare(
        benchmark,
        lambda: generate_image(model, prompts, noise, SETTINGS),
        lambda: generate_image(model, prompts, noise, twice),
        rounds=9,
    )
    print(f"\nCFG, batch 1: one look is {ratio} faster than two, all else equal")
    assert ratio.median > 1.15


@pytest.mark.parametrize("tokens", [4, 32])
def test_batched_answers(benchmark: BenchmarkFixture, checkpoint: Checkpoint, tokens: int):
    """16 answers about 16 pictures in one batch, against one by one; the answers agree."""
    model = checkpoint.model
    prompts = [
        checkpoint.processor.answer_prompt(QUESTION, [picture(seed, 64, 64)]) for seed in range(16)
    ]
    decoding = Decoding(max_new_tokens=tokens)

    def together() -> list[list[int]]:
        return [result.ids for result in generate_text(model, prompts, decoding)]

    def one_by_one() -> list[list[int]]:
        return [generate_text(model, [prompt], decoding)[0].ids for prompt in prompts]

    assert together() == one_by_one()
    lengths = [len(ids) for ids in together()]
    ratio = compare(benchmark, together, one_by_one, rounds=9)
    print(f"\n16 answers of {min(lengths)} to {max(lengths)} tokens: a batch is {ratio} faster")
    assert ratio.median > 1.2


def test_continuations_share_their_picture(benchmark: BenchmarkFixture, checkpoint: Checkpoint):
    """Four continuations of a question about one picture see it once."""
    model, encode = checkpoint.model, checkpoint.processor.tokenizer.encode
    answers = [encode(text) for text in ("red", "green", "blue", "yellow")]
    image = picture(0, 64, 64)
    shared = [checkpoint.processor.answer_prompt(QUESTION, [image])] * 4
    apart = [checkpoint.processor.answer_prompt(QUESTION, [image]) for _ in range(4)]
    ratio = compare(
        benchmark,
        lambda: loglikelihood(model, shared, answers),
        lambda: loglikelihood(model, apart, answers),
        rounds=9,
    )
    print(f"\nfour continuations: one look is {ratio} faster than four")
    assert ratio.median > 1.1


def test_channels_last(benchmark: BenchmarkFixture, checkpoint: Checkpoint):
    """Convolutions with channels last, as the adapter has them, against torch's default."""
    prompts = drawing_prompts(checkpoint, 8)
    noise = [image_noise(checkpoint.model.config, seed) for seed in range(8)]
    last = copy.deepcopy(checkpoint.model)
    use_channels_last(last)
    ratio = compare(
        benchmark,
        lambda: generate_image(last, prompts, noise, SETTINGS),
        lambda: generate_image(checkpoint.model, prompts, noise, SETTINGS),
        rounds=9,
    )
    print(f"\nCFG, batch 8: channels last is {ratio} faster")
    assert ratio.median > 1.0
