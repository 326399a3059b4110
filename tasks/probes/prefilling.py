"""What compression is worth in a prefill, measured: an image's tokens against a token per patch."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter, VisionTokens

__all__ = ["prefill_scores"]


def prefill_scores(adapter: ModelAdapter, account: VisionTokens, rounds: int) -> dict[str, float]:
    """Time both prefills in turns, after one of each that isn't timed.

    Args:
        adapter: The model.
        account: How many tokens and patches an image has.
        rounds: Pairs of prefills.

    Returns:
        `prefill_s` and `prefill_s_uncompressed`, medians in seconds; `prefill_ratio`, the median of
        the rounds' ratios; `kv_cache_ratio`, of the bytes that were filled. Nothing if the adapter
        can't prefill.
    """
    few, many = account.llm_tokens, account.patches
    filled = [adapter.prefill(tokens) for tokens in (few, many)]
    if not filled[0] or not filled[1]:
        return {}
    pairs = [(_seconds(adapter, few), _seconds(adapter, many)) for _ in range(rounds)]
    short, long = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "prefill_s": short,
        "prefill_s_uncompressed": long,
        "prefill_ratio": statistics.median(there / here for here, there in pairs),
        "kv_cache_ratio": filled[1] / filled[0],
    }


def _seconds(adapter: ModelAdapter, tokens: int) -> float:
    start = time.perf_counter()
    adapter.prefill(tokens)
    return time.perf_counter() - start
