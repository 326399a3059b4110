"""What sharing and batching are worth in CHEERS, as ratios within one run.

Run with `python -m pytest benchmarks/bench_cheers.py -m bench --benchmark-enable -s`. Drawing and
answering are measured on the mid-size model, whose parts have the released one's shares. Times are
the processor's, of one thread, so a machine that others use gives the same ratios. Each bound is 85
to 90% of what docs/performance.md states.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
import torch
from msgspec import structs
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.midsize import midsize_model, random_prompts, shrunk_model
from benchmarks.plainly import answer_plainly, draw_plainly, sample_plainly, score_plainly
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
from model_adapters.cheers.sampling import Choice, choose, probabilities
from recipes.nano.architecture import nano_config
from recipes.nano.tokenizer import build_tokenizer, special_ids
from tasks.probes.inputs import picture

pytestmark = pytest.mark.bench

FEW = ImageSettings(steps=2, cfg_scale=3.0, alpha=1.0)
MORE = ImageSettings(steps=6, cfg_scale=3.0, alpha=1.0)
QUESTION = "what color is the circle?"


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


@pytest.fixture(scope="module")
def midsize() -> CheersModel:
    model = midsize_model()
    use_channels_last(model)
    return model


def drawings(model: CheersModel, count: int) -> tuple[list[Prompt], list[Tensor]]:
    """Prompts that end where an image begins, and the noise it begins with."""
    prompts = random_prompts(model.config, count, drawing=True)
    return prompts, [image_noise(model.config, seed) for seed in range(count)]


@pytest.mark.parametrize("batch", [1, 4])
def test_guidance_with_shared_vision(benchmark: BenchmarkFixture, midsize: CheersModel, batch: int):
    """One look per step and one pass for both branches, against the plain loop; same pictures."""
    prompts, noise = drawings(midsize, batch)
    shared = torch.stack([r.image for r in generate_image(midsize, prompts, noise, MORE)])
    plain = draw_plainly(midsize, prompts, torch.stack(noise), MORE)
    torch.testing.assert_close(shared, plain, atol=2e-3, rtol=0)
    ratio = compare(
        benchmark,
        lambda: generate_image(midsize, prompts, noise, MORE),
        lambda: draw_plainly(midsize, prompts, torch.stack(noise), MORE),
        rounds=5 if batch == 1 else 3,
        clock=process_time,
    )
    print(f"\nCFG, batch {batch}: shared vision is {ratio} faster than the plain two passes")
    assert ratio.median > 1.4


def test_shared_vision_alone(benchmark: BenchmarkFixture, midsize: CheersModel):
    """The same batched pass over both branches, with one look at the latent or two."""
    prompts, noise = drawings(midsize, 1)
    twice = structs.replace(FEW, share_vision=False)
    ratio = compare(
        benchmark,
        lambda: generate_image(midsize, prompts, noise, FEW),
        lambda: generate_image(midsize, prompts, noise, twice),
        rounds=5,
        clock=process_time,
    )
    print(f"\nCFG, batch 1: one look is {ratio} faster than two, all else equal")
    assert ratio.median > 1.1


def test_a_batch_of_drawings(benchmark: BenchmarkFixture, midsize: CheersModel):
    """Four drawings in one batch, against one by one."""
    ratio = compare(benchmark, *in_a_batch_or_not(midsize, FEW), rounds=3, clock=process_time)
    print(f"\nfour drawings: a batch is {ratio} faster than one by one")
    assert ratio.median > 1.1


def test_a_batch_of_drawings_where_memory_binds(benchmark: BenchmarkFixture):
    """The same on pictures of 32 pixels, one token each: as on a GPU, time is reading weights."""
    model = shrunk_model(32)
    use_channels_last(model)
    ratio = compare(benchmark, *in_a_batch_or_not(model, MORE), rounds=5, clock=process_time)
    print(f"\nfour drawings where memory binds: a batch is {ratio} faster than one by one")
    assert ratio.median > 2


def in_a_batch_or_not(
    model: CheersModel, settings: ImageSettings
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Four drawings in one batch, and one by one."""
    prompts, noise = drawings(model, 4)
    pairs = list(zip(prompts, noise, strict=True))
    return (
        lambda: generate_image(model, prompts, noise, settings),
        lambda: [generate_image(model, [prompt], [start], settings) for prompt, start in pairs],
    )


@pytest.mark.parametrize(("tokens", "least"), [(4, 1.2), (32, 2.4), (128, 4)])
def test_batched_answers(
    benchmark: BenchmarkFixture, midsize: CheersModel, tokens: int, least: float
):
    """16 answers about 16 pictures in one batch, against the plain loop; the answers agree."""
    prompts, decoding = random_prompts(midsize.config, 16), Decoding(max_new_tokens=tokens)

    def together() -> list[list[int]]:
        return [result.ids for result in generate_text(midsize, prompts, decoding)]

    assert together() == answer_plainly(midsize, prompts, tokens)
    ratio = compare(
        benchmark,
        together,
        lambda: answer_plainly(midsize, prompts, tokens),
        rounds=3,
        clock=process_time,
    )
    print(f"\n16 answers of at most {tokens} tokens: a batch is {ratio} faster")
    assert ratio.median > least


@pytest.mark.parametrize(("tokens", "least"), [(4, 3.8), (32, 5.1)])
def test_questions_about_one_picture(
    benchmark: BenchmarkFixture, midsize: CheersModel, tokens: int, least: float
):
    """16 questions about one picture in one batch, against one by one; the answers agree."""
    prompts = about_one_picture(midsize, 16)
    decoding = Decoding(max_new_tokens=tokens)

    def together() -> list[list[int]]:
        return [result.ids for result in generate_text(midsize, prompts, decoding)]

    assert together() == answer_plainly(midsize, prompts, tokens)
    ratio = compare(
        benchmark,
        together,
        lambda: answer_plainly(midsize, prompts, tokens),
        rounds=3,
        clock=process_time,
    )
    print(f"\n16 questions about one picture, {tokens} tokens: a batch is {ratio} faster")
    assert ratio.median > least


def test_rows_that_end_are_refilled(benchmark: BenchmarkFixture, midsize: CheersModel):
    """16 answers of 2 to 40 tokens in 4 slots, against four batches of 4; the answers agree."""
    prompts = about_one_picture(midsize, 16)
    lengths = [40 if place % 4 == 0 else 2 + place % 12 for place in range(16)]
    settings = [Decoding(max_new_tokens=length) for length in lengths]

    def refilled() -> list[list[int]]:
        return [r.ids for r in generate_text(midsize, prompts, settings, slots=4)]

    def in_batches() -> list[list[int]]:
        batches = [slice(start, start + 4) for start in range(0, 16, 4)]
        found = [generate_text(midsize, prompts[b], settings[b]) for b in batches]
        return [result.ids for batch in found for result in batch]

    assert refilled() == in_batches()
    ratio = compare(benchmark, refilled, in_batches, rounds=5, clock=process_time)
    print(f"\n16 answers of 2 to 40 tokens in 4 slots: refilling is {ratio} faster")
    assert ratio.median > 1.1


def about_one_picture(model: CheersModel, count: int) -> list[Prompt]:
    """Questions of 40 random words about one picture."""
    special, (first, *_) = model.config.special_token_ids, random_prompts(model.config, 1)
    image = [special.im_start, special.image_token_index, special.im_end]
    return [
        Prompt([*image, *prompt.ids], (first.dummy,))
        for prompt in random_prompts(model.config, count)
    ]


def test_continuations_share_their_picture(benchmark: BenchmarkFixture, checkpoint: Checkpoint):
    """Four continuations of a question about one picture see it once; of four pictures, four."""
    model, encode = checkpoint.model, checkpoint.processor.tokenizer.encode
    answers = [encode(text) for text in ("red", "green", "blue", "yellow")]
    ask = checkpoint.processor.answer_prompt
    apart = [ask(QUESTION, [picture(seed, 64, 64)]) for seed in range(4)]
    shared = [apart[0]] * 4
    ratio = compare(
        benchmark,
        lambda: loglikelihood(model, shared, answers),
        lambda: loglikelihood(model, apart, answers),
        rounds=9,
        clock=process_time,
    )
    print(f"\nfour continuations: one look is {ratio} faster than four")
    assert ratio.median > 2.25


@pytest.mark.parametrize(("count", "least"), [(4, 3.2), (16, 11.5)])
def test_continuations_share_their_prompt(
    benchmark: BenchmarkFixture, midsize: CheersModel, count: int, least: float
):
    """Continuations of 2 tokens behind a prompt of 200, run once, against once for each."""
    words = random_prompts(midsize.config, 1, words=200 + 2 * count)[0].ids
    prompts, rest = [Prompt(words[:200])] * count, words[200:]
    answers = [rest[place : place + 2] for place in range(0, 2 * count, 2)]

    def shared() -> list[float]:
        return [result.total for result in loglikelihood(midsize, prompts, answers)]

    assert shared() == pytest.approx(score_plainly(midsize, prompts, answers), abs=1e-3)
    ratio = compare(
        benchmark,
        shared,
        lambda: score_plainly(midsize, prompts, answers),
        rounds=5,
        clock=process_time,
    )
    print(f"\n{count} continuations behind one prompt: running it once is {ratio} faster")
    assert ratio.median > least


@pytest.mark.parametrize(("spread", "least"), [(3.0, 3.0), (5.0, 5)])
def test_sampling_a_batch(benchmark: BenchmarkFixture, spread: float, least: float):
    """A token of 16 rows of the released vocabulary with top-p, against sorting row by row."""
    rows = torch.Generator().manual_seed(0)
    logits = torch.randn(16, 151_936, generator=rows) * spread
    sources = [torch.Generator().manual_seed(seed) for seed in range(16)]
    nucleus = Decoding(temperature=1.0, top_p=0.9)
    ratio = compare(
        benchmark,
        lambda: choose(logits, [Choice(nucleus, [], source) for source in sources]),
        lambda: sample_plainly(logits, nucleus.top_p, sources),
        rounds=7,
        clock=process_time,
    )
    kept = [int((row > 0).sum()) for row in probabilities(logits, nucleus)]
    print(f"\nnuclei of {min(kept)} to {max(kept)} tokens: sampling a batch is {ratio} faster")
    assert ratio.median > least
