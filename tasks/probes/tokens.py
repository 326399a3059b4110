"""`probe-tokens`: what an image costs the language model, declared and counted.

The adapter's account says how many patches the tower attends over and how many tokens enter the
language model. The probe asks a real question about a picture of each resolution as well, and
counts the vision tokens that the answer's usage reports: an account that disagrees is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.errors import SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    Direction,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Sample,
    TaskMetadata,
    TextDecoding,
    Verdict,
)
from harness.seeds import sample_seed
from harness.task import Probe, ProbeContext
from tasks.probes.conditions import conditions
from tasks.probes.inputs import DATASET, PROMPTS, picture
from tasks.probes.prefilling import prefill_scores

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter, VisionTokens

__all__ = ["TokensProbe"]

_RESOLUTION = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})\Z")


def _cost(name: str, unit: str, description: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        score=name,
        direction=Direction.LOWER,
        high=None,
        unit=unit,
        description=f"{description} Mean over the resolutions.",
    )


def _ratio(name: str, description: str) -> MetricSpec:
    return MetricSpec(name=name, score=name, high=None, unit="x", description=description)


class TokensProbe(Probe):
    """Accounts for the vision tokens of pictures of several resolutions.

    Options: `resolutions`, a list of `WIDTHxHEIGHT` in pixels; `rounds` of measured prefills.
    """

    metadata = TaskMetadata(
        name="probe-tokens",
        summary="Vision tokens per image, their compression, and what it saves; counted.",
        version=1,
        requires=frozenset({Capability.VISION_TOKENS}),
        inputs=(Modality.IMAGE,),
        outputs=(Modality.TEXT,),
        dataset=DATASET,
        metrics=(
            MetricSpec(
                name="compression",
                score="compression",
                high=None,
                unit="x",
                description="Patches per vision token that entered the language model, counted.",
            ),
            MetricSpec(
                name="compression_declared",
                score="compression_declared",
                high=None,
                unit="x",
                description="Patches per language-model token by the adapter's account.",
            ),
            MetricSpec(
                name="agreement",
                score="agreement",
                description="Resolutions at which the account and the count agree.",
            ),
            _cost("llm_tokens", "tokens", "Language-model tokens per image."),
            _cost("patches", "patches", "Patches that the vision tower attends over."),
            _cost("latent_cells", "cells", "Cells of the latent grid."),
            _cost("prefill_gflops", "GFLOP", "Prefill of one image's tokens."),
            _cost("kv_cache_mib", "MiB", "Key/value cache of one image's tokens."),
            MetricSpec(
                name="prefill_saved",
                score="prefill_saved",
                low=None,
                description="Share of the uncompressed prefill that compression saves.",
            ),
            MetricSpec(
                name="kv_cache_saved",
                score="kv_cache_saved",
                low=None,
                description="Share of the uncompressed cache that compression saves.",
            ),
            _cost("prefill_s", "s", "Measured prefill of one image's tokens."),
            _cost("prefill_s_uncompressed", "s", "Measured prefill of a token per patch."),
            _ratio("prefill_ratio", "Measured prefill with a token per patch over that without."),
            _ratio("kv_cache_ratio", "Allocated cache with a token per patch over that without."),
        ),
        protocol_id="probe-tokens/v1",
        citation="this package, docs/probes.md",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "resolutions": ["64x64", "256x256", "512x512", "1024x1024", "1024x512"],
        "rounds": 5,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._sizes = [_size(text) for text in _texts(self.options["resolutions"])]
        self._rounds = self.whole("rounds", least=1)

    def samples(self) -> Iterator[Sample]:
        """One sample per resolution."""
        for width, height in self._sizes:
            yield Sample(id=f"{width}x{height}", data={"width": width, "height": height})

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Ask for the account, and count the tokens of a real answer."""
        account = adapter.vision_tokens(*(int(str(sample.data[k])) for k in ("width", "height")))
        seed = sample_seed(context.seed, self.metadata.name, sample.id, sample.k)
        counted = _counted(adapter, account, seed)
        agrees = counted == account.llm_tokens
        timed = prefill_scores(adapter, account, self._rounds)
        details: dict[str, JsonValue] = {"counted": counted, "latent_grid": account.latent_grid}
        if timed:
            details["conditions"] = conditions(adapter.fingerprint().device)
        return Outcome(
            verdict=Verdict.OK if agrees or counted is None else Verdict.WRONG,
            reason=_reason(account, counted),
            scores=_scores(account) | _counted_scores(account, counted) | timed,
            details=details,
        )

    def scorer(self) -> Identity:
        """Comparison of the account with the count."""
        return Identity(id="vision-token-count", version="1")

    def prompt_template(self) -> str:
        """The question about the picture whose tokens are counted."""
        return PROMPTS[Capability.ANSWER]

    def decoding(self) -> Mapping[str, JsonValue]:
        """One token is enough: the picture has entered by then."""
        return {"temperature": 0.0, "max_new_tokens": 1}


def _texts(value: JsonValue) -> list[str]:
    if not isinstance(value, list) or not value or len(set(map(str, value))) < len(value):
        raise SpecError(
            f"probe-tokens: resolutions is {value!r}", "give a list of different WIDTHxHEIGHT"
        )
    return [str(item) for item in value]


def _size(text: str) -> tuple[int, int]:
    match = _RESOLUTION.match(text)
    if match is None:
        raise SpecError(f"probe-tokens: {text!r} is no resolution", "write for example 512x512")
    return int(match[1]), int(match[2])


def _counted(adapter: ModelAdapter, account: VisionTokens, seed: int) -> int | None:
    """Vision tokens that a question about one picture sent into the language model."""
    if Capability.ANSWER not in adapter.card.capabilities:
        return None
    request = AnswerRequest(
        prompt=PROMPTS[Capability.ANSWER],
        images=(picture(0, account.width, account.height),),
        decoding=TextDecoding(max_new_tokens=1),
        seed=seed,
    )
    (response,) = adapter.answer([request])
    return response.usage.vision_tokens


def _reason(account: VisionTokens, counted: int | None) -> str:
    if counted is None:
        return "not counted: no answer of the model reports its vision tokens"
    if counted == account.llm_tokens:
        return ""
    return (
        f"the account says {account.llm_tokens} language-model tokens for a picture of "
        f"{account.width}x{account.height} pixels, but {counted} entered with a real question"
    )


def _counted_scores(account: VisionTokens, counted: int | None) -> dict[str, float]:
    if counted is None:
        return {}
    scores = {"agreement": float(counted == account.llm_tokens)}
    return scores | ({"compression": account.patches / counted} if counted else {})


def _scores(account: VisionTokens) -> dict[str, float]:
    """Everything that the account tells; what it leaves open has no score."""
    grid = account.latent_grid
    flops, flops_before = account.prefill_flops, account.prefill_flops_uncompressed
    cache, cache_before = account.kv_cache_bytes, account.kv_cache_bytes_uncompressed
    told = {
        "compression_declared": account.compression,
        "llm_tokens": float(account.llm_tokens),
        "patches": float(account.patches),
        "latent_cells": None if grid is None else float(grid[0] * grid[1]),
        "prefill_gflops": None if flops is None else flops / 1e9,
        "kv_cache_mib": None if cache is None else cache / 2**20,
        "prefill_saved": _saved(flops, flops_before),
        "kv_cache_saved": _saved(cache, cache_before),
    }
    return {name: value for name, value in told.items() if value is not None}


def _saved(after: float | None, before: float | None) -> float | None:
    return None if after is None or not before else 1 - after / before
