"""What two responses to one request have in common, as numbers of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import msgspec

from harness.conformance import Tolerance, difference
from harness.records import Direction, MetricSpec, Response

__all__ = ["DISTANCES", "SPECS", "difference_said", "likenesses"]


def _share(name: str, description: str) -> MetricSpec:
    return MetricSpec(name=name, score=name, description=description)


def _distance(name: str, unit: str, description: str, low: float | None = 0.0) -> MetricSpec:
    return MetricSpec(
        name=name,
        score=name,
        unit=unit,
        low=low,
        high=None,
        direction=Direction.LOWER if low == 0 else Direction.NEITHER,
        description=description,
    )


SPECS = (
    _share("agreed", "Responses that are equal within the tolerance."),
    _share("identical", "Responses that are equal to the last bit."),
    _share("same_verdict", "Samples that end in the same verdict, of those with a known one."),
    _share("common_start", "Of texts that differ: the part before they do, of the longer one."),
    _share("same_finish", "Texts that end for the same reason."),
    _share("same_choice", "Samples whose likeliest continuation is the same."),
    _share("same_greedy", "Samples whose greedy continuations are the same."),
    _distance("nats_shift", "nats", "Second minus first, averaged over continuations.", None),
    _distance("nats_apart", "nats", "Distance of log-likelihoods, averaged over continuations."),
    _distance("levels_apart", "levels", "Distance of pixels in levels of 255, averaged."),
    _share("same_prompt_tokens", "Samples whose prompt has as many text tokens in both."),
    _share("same_vision_tokens", "Samples whose pictures have as many tokens in both."),
)
"""Every quantity; a sample has those that its responses allow."""

DISTANCES = frozenset({"nats_apart", "levels_apart"})
"""Quantities whose largest value is worth a look."""


def difference_said(first: Response, second: Response, tolerance: Tolerance) -> str:
    """In what two responses differ beyond the tolerance; white space around a text doesn't count.

    Example:
        >>> difference_said(Response(text=" A"), Response(text="A"), Tolerance())
        ''
        >>> difference_said(Response(text="A"), Response(text="B"), Tolerance())
        "'A' and 'B'"
    """
    return difference(_bare(first), _bare(second), tolerance)


def _bare(response: Response) -> Response:
    if response.text is None:
        return response
    return msgspec.structs.replace(response, text=response.text.strip())


def likenesses(first: Response, second: Response, said: str) -> dict[str, float]:
    """The quantities of two responses of one kind.

    Args:
        first: Response of the first backend.
        second: Response of the second.
        said: In what they differ beyond the tolerance; empty if in nothing.
    """
    found: dict[str, float] = {"agreed": float(not said)}
    if first.text is not None and second.text is not None:
        found |= _texts(first, second)
    elif first.loglikelihoods is not None and second.loglikelihoods is not None:
        found |= _likelihoods(first, second)
    elif first.image is not None and second.image is not None:
        found |= _pictures(first.image, second.image)
    return found | _tokens(first, second)


def _texts(first: Response, second: Response) -> dict[str, float]:
    one, other = first.text or "", second.text or ""
    found = {
        "identical": float(one == other),
        "same_finish": float(first.finish_reason is second.finish_reason),
    }
    if one != other:
        found["common_start"] = _common(one, other) / max(len(one), len(other))
    return found


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _likelihoods(first: Response, second: Response) -> dict[str, float]:
    one, other = first.loglikelihoods or (), second.loglikelihoods or ()
    found = {"identical": float(one == other), "same_choice": float(_best(one) == _best(other))}
    if first.is_greedy is not None and second.is_greedy is not None:
        found["same_greedy"] = float(first.is_greedy == second.is_greedy)
    # Two that are both minus infinity are equal; one that is alone has no distance to average.
    steps = [0.0 if a == b else b - a for a, b in zip(one, other, strict=True)]
    if all(abs(step) != float("inf") for step in steps):
        found["nats_shift"] = sum(steps) / len(steps)
        found["nats_apart"] = sum(map(abs, steps)) / len(steps)
    return found


def _best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda index: values[index])


def _pictures(one: Any, other: Any) -> dict[str, float]:
    import numpy as np

    if one.size != other.size:
        return {"identical": 0.0}
    apart = np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16))
    return {"identical": float(not apart.any()), "levels_apart": float(apart.mean())}


def _tokens(first: Response, second: Response) -> dict[str, float]:
    """Backends that cut a prompt or a picture into other tokens can't agree, and this says so."""
    found = {}
    for kind in ("prompt_tokens", "vision_tokens"):
        one, other = getattr(first.usage, kind), getattr(second.usage, kind)
        if one is not None and other is not None:
            found[f"same_{kind}"] = float(one == other)
    return found
