"""What a quarter of the vision tokens is worth in the released model's backbone, measured.

Run with `python -m pytest benchmarks/bench_tokens.py -m bench --benchmark-enable -s`. Two of the 28
layers, with random weights, run over an image of 512 x 512 pixels: 256 tokens behind the
pixel-unshuffle, 1,024 without it. All layers are alike, so the ratio is that of the whole backbone.
"""

from __future__ import annotations

import pytest
import torch
from msgspec import structs
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.ratios import compare
from model_adapters.cheers.accounting import prefill
from model_adapters.cheers.backbone import Backbone
from model_adapters.cheers.config import CheersConfig

pytestmark = pytest.mark.bench

LAYERS, TOKENS, PATCHES = 2, 256, 1024


class Alone(torch.nn.Module):
    """A model that is its backbone and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        released = CheersConfig.released()
        text = structs.replace(released.text_config, num_hidden_layers=LAYERS, vocab_size=8)
        self.config = structs.replace(released, text_config=text)
        self.model = torch.nn.Module()
        self.model.language_model = Backbone(text)
        self.device, self.dtype = torch.device("cpu"), torch.float32


def test_prefill_with_and_without_compression(benchmark: BenchmarkFixture):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    model = Alone().eval()
    cache = prefill(model, PATCHES) / prefill(model, TOKENS)
    ratio = compare(
        benchmark, lambda: prefill(model, TOKENS), lambda: prefill(model, PATCHES), rounds=5
    )
    torch.set_num_threads(before)
    print(f"\n1,024 tokens against 256: prefill {ratio} longer, cache {cache:.2f}x larger")
    assert cache == 4
    assert ratio.median > 3
