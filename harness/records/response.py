"""What a model gave back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from harness.records.base import Record

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "USUAL_FIRST",
    "FinishReason",
    "First",
    "Response",
    "StoredResponse",
    "Timing",
    "Usage",
]


class FinishReason(StrEnum):
    """Why generation ended."""

    STOP = "stop"
    """End-of-sequence token or stop string, or the image is complete."""

    LENGTH = "length"
    """`max_new_tokens` was reached."""

    CONTEXT = "context"
    """The model's context length was reached."""


class Usage(Record, frozen=True, kw_only=True):
    """What a response cost, in the field's units. `None` means not known."""

    prompt_tokens: int | None = None
    """Text tokens of the prompt, template included, vision tokens excluded."""

    completion_tokens: int | None = None
    """Generated text tokens, end of sequence included."""

    vision_tokens: int | None = None
    """Vision tokens that entered the language model, dummy images included."""

    nfe: int | None = None
    """Number of function evaluations: denoiser calls, each CFG branch counted."""


class First(StrEnum):
    """What a batch was the first of, for a model in a process: its time isn't a usual one."""

    KIND = "kind"
    """Of its kind of request: loading, initialising and compiling may be in it."""

    SIZE = "size"
    """Of its batch size, after others of its kind: compiling again may be in it."""


USUAL_FIRST: tuple[First | None, ...] = (None, First.SIZE, First.KIND)
"""Whose times count: those of the usual batches, and of the first ones only where there are no
others, the more usual kind before the other."""


class Timing(Record, frozen=True, kw_only=True):
    """When things happened, in seconds. `None` means not measured."""

    ttft_s: float | None = None
    """Time to first token (or to the first denoising step's end) of the request's batch."""

    total_s: float | None = None
    """Wall time of the request's batch, end to end."""

    batch_size: int = 1
    """Requests that shared this batch."""

    first: First | None = None
    """Whether the batch was a first one; set by the engine. `None` also where it isn't known."""


class Response(Record, frozen=True, kw_only=True):
    """One response. Exactly one of `text`, `image` and `loglikelihoods` is set."""

    text: str | None = None
    """Decoded answer without special tokens."""

    image: Image | None = None
    """RGB picture."""

    loglikelihoods: tuple[float, ...] | None = None
    """Natural-log probability of each continuation, in the request's order."""

    is_greedy: tuple[bool, ...] | None = None
    """Whether greedy decoding would give exactly this continuation, for each of them; stands only
    beside `loglikelihoods`. `None` means not known; raw requests must know it."""

    finish_reason: FinishReason = FinishReason.STOP
    """Why generation ended."""

    usage: Usage = Usage()
    """Token and NFE counts."""

    timing: Timing = Timing()
    """Timings; not part of what resumed and uninterrupted runs must agree on."""


class StoredResponse(Record, frozen=True, kw_only=True):
    """A response as the ledger keeps it: the picture is a file with its hash."""

    text: str | None = None
    """See `Response.text`."""

    image_path: str | None = None
    """PNG file, relative to the run folder."""

    image_sha256: str | None = None
    """SHA-256 of the decoded RGB pixels, row by row, prefixed by `WIDTHxHEIGHT:`."""

    loglikelihoods: tuple[float, ...] | None = None
    """See `Response.loglikelihoods`."""

    is_greedy: tuple[bool, ...] | None = None
    """See `Response.is_greedy`."""

    finish_reason: FinishReason = FinishReason.STOP
    """Why generation ended."""

    usage: Usage = Usage()
    """Token and NFE counts."""

    timing: Timing = Timing()
    """Timings of the attempt that succeeded."""
