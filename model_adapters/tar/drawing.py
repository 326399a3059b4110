"""Drawing a batch: prompts to image tokens, to features, to pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from harness.records import ImageDecoding
from harness.seeds import stream_seed
from harness.torch_support import wait_for, without_tf32
from model_adapters.tar.checkpoint import Parts
from model_adapters.tar.detokenizers import Detokenizer, Pictures
from model_adapters.tar.painting import Painted, paint
from model_adapters.tar.presets import Sampling
from model_adapters.tar.prompts import image_prompt

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Drawn", "Plan", "draw_batch", "draw_codes"]


class Plan(NamedTuple):
    """How a batch is drawn."""

    detokenizer: Detokenizer
    """What draws."""

    scale: int
    """0, 1 or 2: how many tokens an image has."""

    sampling: Sampling
    """How image tokens are chosen."""

    decoding: ImageDecoding
    """Shared by all requests."""


class Drawn(NamedTuple):
    """What came of one request."""

    image: Image
    """RGB."""

    prompt: int
    """Tokens of the prompt."""

    painted: Painted
    """What the language model wrote."""

    nfe: int | None
    """Denoiser evaluations."""


def draw_batch(
    parts: Parts, plan: Plan, prompts: Sequence[str], seeds: Sequence[int]
) -> tuple[list[Drawn], float]:
    """Draw a picture per prompt.

    Args:
        parts: The model.
        plan: How.
        prompts: The texts.
        seeds: Of the requests; tokens and picture have a stream of each.

    Returns:
        The pictures, and `time.perf_counter()` at the first image token.

    Raises:
        AdapterError: A prompt doesn't fit, or the de-tokenizer doesn't draw what is asked for.
    """
    tokens = parts.ta_tok.tokens(plan.scale)
    plan.detokenizer.check(plan.decoding, tokens)
    first: list[float] = []

    def note() -> None:
        wait_for(str(parts.ta_tok.device))
        first.append(time.perf_counter())

    rows = [image_prompt(parts.language, text, plan.scale) for text in prompts]
    painted = paint(
        parts.language,
        rows,
        tokens,
        [stream_seed(seed, "sampling") for seed in seeds],
        plan.sampling,
        on_first=note,
    )
    codes = [one.codes for one in painted]
    drawn = draw_codes(parts, plan.detokenizer, codes, seeds, plan.decoding)
    return [
        Drawn(image, len(row), one, drawn.nfe)
        for image, row, one in zip(drawn.images, rows, painted, strict=True)
    ], first[0]


@torch.inference_mode()
def draw_codes(
    parts: Parts,
    detokenizer: Detokenizer,
    codes: Sequence[Sequence[int]],
    seeds: Sequence[int],
    decoding: ImageDecoding,
) -> Pictures:
    """Draw pictures of equally many codes each."""
    with without_tf32():
        features = parts.ta_tok.decode(torch.tensor(codes, device=parts.ta_tok.device))
        return detokenizer.draw(features, [stream_seed(seed, "noise") for seed in seeds], decoding)
