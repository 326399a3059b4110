"""`probe-tokens`: what an image costs the language model, counted and not asserted.

For each resolution the adapter gives its account (latent grid, patches, tokens); then a real
question with a picture of that size is asked, and the vision tokens that the answer reports must
agree with the account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.adapter import VisionTokens
from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
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
from tasks.probes.inputs import noise_picture

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["TokensProbe"]


class TokensProbe(Probe):
    """Vision tokens, compression, prefill work and cache by resolution."""

    metadata = TaskMetadata(
        name="probe-tokens",
        summary="Vision tokens per image: compression, prefill FLOPs and KV-cache saved.",
        version=1,
        requires=frozenset({Capability.VISION_TOKENS, Capability.ANSWER}),
        inputs=(Modality.IMAGE,),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(name="noise", revision="1", split="none", licence="CC0-1.0"),
        metrics=(
            MetricSpec(
                name="compression",
                score="compression",
                low=None,
                high=None,
                unit="x",
                description="Tower patches per language-model token.",
            ),
            MetricSpec(
                name="vision_tokens",
                score="llm_tokens",
                direction=Direction.LOWER,
                high=None,
                unit="tokens",
                description="Tokens that one image adds to the language model's sequence.",
            ),
            MetricSpec(
                name="patches",
                score="patches",
                direction=Direction.NEITHER,
                high=None,
                description="Patches that the tower attends over.",
            ),
            MetricSpec(
                name="prefill_saved",
                score="prefill_saved",
                description="Share of the language model's prefill FLOPs that compression saves.",
            ),
            MetricSpec(
                name="kv_cache_saved",
                score="kv_cache_saved",
                description="Share of the image's key/value cache that compression saves.",
            ),
            MetricSpec(
                name="account_agrees",
                score="agrees",
                description="Resolutions at which a real answer used the tokens of the account.",
            ),
        ),
        protocol_id="probe-tokens/v1",
        citation="CHEERS, arXiv 2603.12793, section 2.1 (4x token compression).",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"resolutions": "64,256,512,1024"}

    def samples(self) -> Iterator[Sample]:
        """One measurement per resolution."""
        for side in str(self.options["resolutions"]).split(","):
            yield Sample(id=f"{int(side)}px", data={"side": int(side)})

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Take the account, ask a real question, compare."""
        side = int(str(sample.data["side"]))
        account = adapter.vision_tokens(side, side)
        seed = sample_seed(context.seed, self.metadata.name, sample.id, sample.k)
        request = AnswerRequest(
            prompt="what is in the image?",
            images=(noise_picture(side, seed),),
            decoding=TextDecoding(max_new_tokens=1),
            seed=seed,
        )
        used = adapter.answer([request])[0].usage.vision_tokens
        agrees = used == account.llm_tokens
        return Outcome(
            verdict=Verdict.OK if agrees else Verdict.WRONG,
            reason=""
            if agrees
            else f"the account says {account.llm_tokens} tokens, the answer used {used}",
            scores=_scores(account) | {"agrees": float(agrees)},
            details={"latent_grid": list(account.latent_grid or ()), "used": used},
        )

    def scorer(self) -> Identity:
        """The adapter's account against the answer's usage."""
        return Identity(id="vision-token-account", version="1")

    def prompt_template(self) -> str:
        """The question of the check."""
        return "what is in the image?"


def _scores(account: VisionTokens) -> dict[str, float]:
    scores = {
        "compression": account.compression,
        "llm_tokens": float(account.llm_tokens),
        "patches": float(account.patches),
    }
    pairs = {
        "prefill_saved": (account.prefill_flops, account.prefill_flops_uncompressed),
        "kv_cache_saved": (account.kv_cache_bytes, account.kv_cache_bytes_uncompressed),
    }
    for name, (with_it, without) in pairs.items():
        if with_it is not None and without:
            scores[name] = 1 - with_it / without
    return scores
