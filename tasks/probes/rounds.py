"""One timed round of a capability: what is asked, what is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.adapter import perform
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    Response,
    TextDecoding,
)
from harness.seeds import sample_seed
from tasks.probes.inputs import noise_picture
from tasks.probes.memory import PeakMemory

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["TIMED", "build_requests", "timed_round"]

TIMED = (
    Capability.ANSWER,
    Capability.GENERATE_IMAGE,
    Capability.EDIT_IMAGE,
    Capability.LOGLIKELIHOOD,
    Capability.RECONSTRUCT,
)
"""Capabilities that have a latency."""

_SIDE = 64
_QUESTION = "what color is the circle?"
_PROMPT = "a photo of a red circle"
_MILLION = 1e6


def build_requests(
    capability: Capability, size: int, *, seed: int, name: str, tokens: int, steps: int
) -> list[Any]:
    """`size` equal-shaped requests; pictures and seeds differ.

    Args:
        capability: What is asked for.
        size: Batch size.
        seed: Base seed of the run.
        name: Name of the round, so that rounds differ.
        tokens: Tokens to generate.
        steps: Denoising steps.
    """
    seeds = [sample_seed(seed, "probe-latency", name, k) for k in range(size)]
    text, image = TextDecoding(max_new_tokens=tokens), ImageDecoding(steps=steps)
    makers: dict[Capability, Callable[[int], Any]] = {
        Capability.ANSWER: lambda s: AnswerRequest(
            prompt=_QUESTION, images=(noise_picture(_SIDE, s),), decoding=text, seed=s
        ),
        Capability.GENERATE_IMAGE: lambda s: GenerateImageRequest(
            prompt=_PROMPT, decoding=image, seed=s
        ),
        Capability.EDIT_IMAGE: lambda s: EditImageRequest(
            prompt="make it red", image=noise_picture(_SIDE, s), decoding=image, seed=s
        ),
        Capability.LOGLIKELIHOOD: lambda s: LogLikelihoodRequest(
            prompt=_QUESTION, images=(noise_picture(_SIDE, s),), continuations=("A", "B"), seed=s
        ),
        Capability.RECONSTRUCT: lambda s: ReconstructRequest(image=noise_picture(_SIDE, s), seed=s),
    }
    return [makers[capability](s) for s in seeds]


def timed_round(adapter: ModelAdapter, requests: Sequence[Any]) -> dict[str, float]:
    """Send one batch and measure it.

    Returns:
        Scores named by capability: seconds per batch and item, items per second, and where the
        responses report them TTFT, time per output token, NFE per second; peak memory in MiB.
    """
    name = requests[0].capability.value
    with PeakMemory() as memory:
        start = time.perf_counter()
        responses = perform(adapter, requests)
        _synchronise()
        seconds = time.perf_counter() - start
    scores = {
        f"{name}_s": seconds / len(requests),
        f"{name}_per_s": len(requests) / seconds,
        f"{name}_batch_s": seconds,
        "peak_memory_mib": memory.peak_bytes / 2**20,
    }
    return scores | _of_tokens(name, responses, seconds) | _of_steps(name, responses, seconds)


def _of_tokens(name: str, responses: Sequence[Response], seconds: float) -> dict[str, float]:
    ttft = responses[0].timing.ttft_s
    counts = [response.usage.completion_tokens or 0 for response in responses]
    if ttft is None:
        return {}
    scores = {f"{name}_ttft_s": ttft}
    if max(counts) > 1:
        scores[f"{name}_tpot_s"] = (seconds - ttft) / (max(counts) - 1)
        scores[f"{name}_tokens_per_s"] = sum(counts) / seconds
    return scores


def _of_steps(name: str, responses: Sequence[Response], seconds: float) -> dict[str, float]:
    nfe = [response.usage.nfe for response in responses]
    if not all(nfe):
        return {}
    return {f"{name}_nfe_per_s": sum(count for count in nfe if count) / seconds}


def _synchronise() -> None:
    """Wait for the GPU, if torch is there and uses one."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
