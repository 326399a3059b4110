"""Answering a batch with its time to first token."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from harness.records import TextDecoding
from model_adapters.cheers.decoding import TextResult, decode_text, generate_text
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampling import Decoding
from model_adapters.cheers.session import Ablations, open_session

__all__ = ["answer_batch"]


def answer_batch(
    model: CheersModel,
    prompts: Sequence[Prompt],
    decoding: TextDecoding,
    seeds: Sequence[int],
    ablations: Ablations,
) -> tuple[list[TextResult], float | None]:
    """Decode answers; beams give no time to first token, since all tokens come at the end.

    Args:
        model: The model.
        prompts: One per sample.
        decoding: Shared by all samples.
        seeds: Sampling seed per sample.
        ablations: Switches.

    Returns:
        One result per sample, and seconds until every sample's first token could be chosen.
    """
    settings = Decoding(
        max_new_tokens=decoding.max_new_tokens,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        num_beams=decoding.num_beams,
    )
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    if decoding.num_beams > 1:
        return generate_text(model, prompts, settings, generators, ablations), None
    start = time.perf_counter()
    session = open_session(model, prompts, ablations=ablations)
    session.logits().argmax().item()  # waits for the device: the first token can be chosen now
    ttft = time.perf_counter() - start
    return decode_text(session, [settings] * len(prompts), generators), ttft
