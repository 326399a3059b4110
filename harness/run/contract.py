"""What the engine demands of an adapter's responses before it stores them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from harness.errors import AdapterError
from harness.records import Capability, FinishReason, Request, Response, Timing, Usage

__all__ = ["check_count", "check_response"]

_FIELDS = {
    Capability.ANSWER: "text",
    Capability.GENERATE_IMAGE: "image",
    Capability.EDIT_IMAGE: "image",
    Capability.LOGLIKELIHOOD: "loglikelihoods",
    Capability.RECONSTRUCT: "image",
}
_ALL = ("text", "image", "loglikelihoods")
_NOTHING = Response()
_NOTHING_GIVEN = {"usage": _NOTHING.usage, "timing": _NOTHING.timing}  # shared by all responses


def check_count(requests: Sequence[Request], responses: object) -> Sequence[Response]:
    """Check that there is one response per request.

    Raises:
        AdapterError: There are more or fewer, or it's no sequence.
    """
    method = requests[0].capability.value
    if not isinstance(responses, Sequence):
        raise AdapterError(
            f"adapter method `{method}` returned a {type(responses).__name__}",
            "return a list with one Response per request",
        )
    if len(responses) != len(requests):
        raise AdapterError(
            f"adapter method `{method}` returned {len(responses)} responses for "
            f"{len(requests)} requests",
            "return one Response per request, in the order of the requests",
        )
    return responses


def check_response(request: Request, response: object) -> None:
    """Check that a response answers its request: the right field, and nothing else.

    Raises:
        AdapterError: It doesn't; the message says in what.
    """
    method, wanted = request.capability.value, _FIELDS[request.capability]
    if not isinstance(response, Response):
        raise AdapterError(
            f"adapter method `{method}` returned a {type(response).__name__} among its responses",
            "return harness.records.Response objects",
        )
    present = [name for name in _ALL if getattr(response, name) is not None]
    if present != [wanted]:
        raise AdapterError(
            f"adapter method `{method}` returned a response with "
            + (" and ".join(f"`{name}`" for name in present) or "nothing")
            + " set",
            f"set `{wanted}`, and only that",
        )
    problem = _CHECKS[wanted](request, getattr(response, wanted))
    if problem:
        raise AdapterError(f"adapter method `{method}` returned {problem}", _REMEDIES[wanted])
    problem = _greedy_problem(request, response)
    if problem:
        raise AdapterError(f"adapter method `{method}` returned {problem}", _REMEDIES["is_greedy"])
    problem = _account_problem(response)
    if problem:
        raise AdapterError(
            f"adapter method `{method}` returned {problem}",
            "use the records' types; turn tensors and numpy numbers into int and float",
        )


def _text_problem(_: Request, text: Any) -> str:
    if not isinstance(text, str):
        return f"a text that is a {type(text).__name__}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"a text with lone surrogates at character {error.start}"
    return ""


def _image_problem(_: Request, image: Any) -> str:
    from PIL.Image import Image

    if not isinstance(image, Image):
        return f"an image that is a {type(image).__name__}"
    if image.mode != "RGB":
        return f"an image of mode {image.mode!r}"
    if 0 in image.size:
        return f"an empty image of {image.width}x{image.height} pixels"
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"an image that can't be decoded ({error})"
    return ""


def _likelihood_problem(request: Any, values: Any) -> str:
    wanted = len(request.continuations)
    if not isinstance(values, tuple) or len(values) != wanted:
        return f"log-likelihoods {values!r:.80} for {wanted} continuations"
    wrong = [v for v in values if not isinstance(v, float | int) or math.isnan(v) or v > 0]
    return f"{wrong[0]!r} as a log-likelihood" if wrong else ""


def _greedy_problem(request: Any, response: Response) -> str:
    greedy: Any = response.is_greedy
    if greedy is None:
        lacks = getattr(request, "raw", False) and response.loglikelihoods is not None
        return "no `is_greedy` for a raw request" if lacks else ""
    if response.loglikelihoods is None:
        return "`is_greedy` without log-likelihoods"
    fits = isinstance(greedy, tuple) and len(greedy) == len(response.loglikelihoods)
    if not fits or any(type(value) is not bool for value in greedy):
        return f"`is_greedy` {greedy!r:.80} for {len(response.loglikelihoods)} continuations"
    return ""


def _account_problem(response: Response) -> str:
    # Records don't check types when they're built; the ledger must not be the one to find out.
    reason: object = response.finish_reason
    if not isinstance(reason, FinishReason):
        return f"finish reason {reason!r}, which isn't a FinishReason"
    for name, kind in (("usage", Usage), ("timing", Timing)):
        given = getattr(response, name)
        if given is _NOTHING_GIVEN[name]:
            continue
        try:
            msgspec.convert(msgspec.structs.asdict(given), kind)
        except (msgspec.ValidationError, TypeError) as error:
            return f"a `{name}` that can't be stored ({error})"
    return ""


_CHECKS = {
    "text": _text_problem,
    "image": _image_problem,
    "loglikelihoods": _likelihood_problem,
}
_REMEDIES = {
    "text": "decode with errors='replace' and return a str",
    "image": "return a non-empty PIL image of mode RGB",
    "loglikelihoods": "return one natural-log probability, at most 0, per continuation",
    "is_greedy": "return a tuple with one bool per continuation beside the log-likelihoods",
}
