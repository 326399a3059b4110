"""A model whose calls take exactly as long as it is told, by a clock that only it moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image

from harness.adapter import ModelAdapter, VisionTokens
from harness.components import ComponentWork
from harness.records import Capability, Fingerprint, ModelCard, Response, Timing, Usage

SHARES = {"tower": 0.25, "llm/prefill": 0.125, "llm/decode": 0.5}
"""Shares of a call's time inside components."""


def work(**given: Any) -> ComponentWork:
    """One call of a component, without weights and cache."""
    bare = {"calls": 1, "seconds": None, "flops": None, "traffic_bytes": None}
    return ComponentWork(**{**bare, "weight_bytes": 0, "cache_bytes": 0, **given})


class Clock:
    """Stands in for `time.perf_counter`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("tasks.probes.bench.time.perf_counter", lambda: self.now)
        monkeypatch.setattr("tasks.probes.queueing.time.sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        """Stands in for `time.sleep`."""
        self.now += seconds


class Clockwork(ModelAdapter):
    """Answers take 1 s to the first token and 0.5 s per further token; drawings 2 s per step.

    The first `cold` calls of each kind and batch size take 100 s longer. Answers have `tokens`, or
    more where more are asked for.
    """

    card = ModelCard(
        name="clockwork",
        summary="",
        capabilities=frozenset(Capability) - {Capability.EDIT_IMAGE, Capability.RECONSTRUCT},
        licence="CC0-1.0",
        source="tests",
    )

    def __init__(self, clock: Any, *, cold: int = 2, tokens: int = 5, jitter: float = 0.0) -> None:
        self.clock = clock
        self.cold = cold
        self.tokens = tokens
        self.jitter = jitter
        self.calls: Counter[tuple[str, int]] = Counter()
        self.seen: list[Sequence[Any]] = []

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="clockwork",
            adapter="tests",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="float32",
            device="cpu",
        )

    def spend(self, kind: str, requests: Sequence[Any], seconds: float) -> Timing:
        self.calls[kind, len(requests)] += 1
        count = self.calls[kind, len(requests)]
        self.seen.append(requests)
        cold = 100.0 if count <= self.cold else 0.0
        self.clock.now += cold + seconds + self.jitter * count
        return Timing(ttft_s=1.0 + cold, batch_size=len(requests))

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        least = requests[0].decoding.min_new_tokens
        longest = max(self.tokens, least)
        timing = self.spend("answer", requests, 1.0 + 0.5 * (longest - 1))
        # All but the first request of a batch stop one token earlier, where they may.
        return [
            Response(
                text="x",
                usage=Usage(
                    completion_tokens=max(self.tokens - (place > 0), least), vision_tokens=16
                ),
                timing=timing,
            )
            for place in range(len(requests))
        ]

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        steps = requests[0].decoding.steps or 10
        timing = self.spend("draw", requests, 2.0 * steps)
        image = Image.new("RGB", (4, 4))
        return [Response(image=image, usage=Usage(nfe=2 * steps), timing=timing) for _ in requests]

    def loglikelihood(self, requests: Sequence[Any]) -> list[Response]:
        self.spend("rank", requests, 4.0)
        return [Response(loglikelihoods=(0.0,) * len(r.continuations)) for r in requests]

    def vision_tokens(self, width: int, height: int) -> VisionTokens:
        return VisionTokens(
            width=width,
            height=height,
            latent_grid=(8, 8),
            patches=64,
            llm_tokens=16,
            prefill_flops=1e9,
            kv_cache_bytes=2**20,
            prefill_flops_uncompressed=5e9,
            kv_cache_bytes_uncompressed=4 * 2**20,
        )

    @contextmanager
    def watch_components(self, *, count: bool) -> Iterator[Mapping[str, ComponentWork]]:
        assert not count
        found: dict[str, ComponentWork] = {}
        start = self.clock.now
        yield found
        for name, share in SHARES.items():
            found[name] = work(seconds=share * (self.clock.now - start))
