"""What data type, compilation and attention kernels are worth in CHEERS, on the mid-size model.

Run with `python -m pytest benchmarks/bench_speed.py -m bench --benchmark-enable -s`. Each pair
draws the same picture up to rounding, which is asserted. Times are the processor's, of one thread.
"""

from __future__ import annotations

import copy
from time import process_time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.midsize import midsize_model, random_prompts, small_model
from benchmarks.ratios import apart, compare
from model_adapters.cheers import (
    CheersModel,
    Decoding,
    ImageSettings,
    generate_image,
    generate_text,
    image_noise,
)
from model_adapters.cheers.speed import Speed

pytestmark = pytest.mark.bench

SETTINGS = ImageSettings(steps=2, cfg_scale=3.0, alpha=1.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def plain() -> CheersModel:
    return midsize_model()


def drawn(model: CheersModel) -> Tensor:
    prompts = random_prompts(model.config, 1, drawing=True)
    return generate_image(model, prompts, [image_noise(model.config, 0)], SETTINGS)[0].latents


def test_channels_last(benchmark: BenchmarkFixture, plain: CheersModel):
    last = copy.deepcopy(plain)
    Speed().apply(last)
    error = apart(drawn(last), drawn(plain))
    ratio = compare(
        benchmark, lambda: drawn(last), lambda: drawn(plain), rounds=5, clock=process_time
    )
    print(f"\nchannels last: {ratio} faster, error {error:.1e}")
    assert error < 1e-4


def test_bfloat16(benchmark: BenchmarkFixture, plain: CheersModel):
    half = copy.deepcopy(plain).to(torch.bfloat16)
    error = apart(drawn(half), drawn(plain))
    ratio = compare(
        benchmark, lambda: drawn(half), lambda: drawn(plain), rounds=5, clock=process_time
    )
    print(f"\nbfloat16: {ratio} faster than float32, error {error:.1e}")
    assert error < 0.1


def test_fused_attention(benchmark: BenchmarkFixture, plain: CheersModel):
    def unfused() -> Tensor:
        with Speed(attention="math").kernels():
            return drawn(plain)

    error = apart(unfused(), drawn(plain))
    ratio = compare(benchmark, lambda: drawn(plain), unfused, rounds=5, clock=process_time)
    print(f"\nfused attention: {ratio} faster than plain products, error {error:.1e}")
    assert error < 1e-4


def test_compiled(benchmark: BenchmarkFixture, plain: CheersModel):
    """Compilation itself isn't counted: it happens in the first call."""
    compiled = copy.deepcopy(plain)
    Speed(compile="default", channels_last=False).apply(compiled)
    error = apart(drawn(compiled), drawn(plain))
    ratio = compare(
        benchmark, lambda: drawn(compiled), lambda: drawn(plain), rounds=5, clock=process_time
    )
    print(f"\ncompiled: {ratio} faster, error {error:.1e}")
    assert error < 1e-4


@pytest.mark.parametrize("rows", [1, 16])
def test_compiled_answers(benchmark: BenchmarkFixture, rows: int):
    """Answers of a small model, where calling a layer costs as much as its sums."""
    small = small_model()
    compiled = copy.deepcopy(small)
    Speed(compile="default", channels_last=False).apply(compiled)
    prompts, decoding = random_prompts(small.config, rows), Decoding(max_new_tokens=48)

    def answered(model: CheersModel) -> list[list[int]]:
        return [result.ids for result in generate_text(model, prompts, decoding)]

    assert answered(compiled) == answered(small)
    ratio = compare(
        benchmark, lambda: answered(compiled), lambda: answered(small), rounds=9, clock=process_time
    )
    print(f"\ncompiled, answers of 48 tokens, batch {rows}: {ratio} faster")
    assert ratio.median > 1.1
