"""What the released configuration costs, counted by torch on the meta device: no weights needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model_adapters.cheers import CheersConfig, CheersModel, meta_model
from model_adapters.cheers.accounting import account, look


@pytest.fixture(scope="module")
def released() -> CheersModel:
    return meta_model(CheersConfig.released())


def gflops(work: Callable[[], Any]) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def test_1024_patches_become_256_tokens():
    half = meta_model(CheersConfig.released()).to(torch.bfloat16)
    found = account(half, look(half), 512, 512)
    assert found.latent_grid == (32, 32)
    assert (found.patches, found.llm_tokens, found.compression) == (1024, 256, 4)
    assert found.prefill_flops == pytest.approx(682e9, rel=1e-3)
    assert found.prefill_flops_uncompressed == pytest.approx(2864e9, rel=1e-3)
    assert found.kv_cache_bytes == 7 * 2**20
    assert found.kv_cache_bytes_uncompressed == 28 * 2**20


def test_sharing_one_look_saves_two_fifths_of_a_guided_step(released: CheersModel):
    latents = torch.zeros(1, 128, 32, 32, device="meta")
    seen = released.see_latents(latents)
    allowed = torch.ones(1, 256, 256, dtype=torch.bool, device="meta")
    positions = torch.zeros(1, 256, dtype=torch.long, device="meta")
    time = torch.zeros(1, device="meta")
    looking = gflops(lambda: released.see_latents(latents))
    thinking = gflops(
        lambda: released.model.language_model(seen.tokens, allowed, positions)
    ) + gflops(lambda: released.velocity(seen.tokens, seen.patches, time))
    apart, shared = 2 * (looking + thinking), looking + 2 * thinking
    assert apart == pytest.approx(8896, rel=1e-3)
    assert shared == pytest.approx(5392, rel=1e-3)
    assert apart / shared == pytest.approx(1.65, abs=0.005)
