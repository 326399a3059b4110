"""The adapter under examination, asked the way the runner asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.adapter import ModelAdapter, perform
from harness.conformance.inputs import PROMPTS, mosaic
from harness.conformance.records import NotApplicable, Tolerance
from harness.errors import BenchError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    Request,
    Response,
    TextDecoding,
)
from harness.run.contract import check_count, check_response

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Subject", "difference"]

_SIZES = ((40, 24), (24, 40), (33, 17), (64, 64))
_WORDS = ("red", "a blue circle", "no", "yes")


class Subject:
    """An adapter, with requests of every kind that it declares.

    Args:
        adapter: The adapter.
        tolerance: When two responses count as equal.
        steps: Denoising steps of drawings; `None` leaves them to the model.
    """

    def __init__(
        self, adapter: ModelAdapter, tolerance: Tolerance | None = None, steps: int | None = None
    ) -> None:
        self.adapter = adapter
        self.tolerance = tolerance or Tolerance()
        self.drawing = ImageDecoding(steps=steps)

    @property
    def capabilities(self) -> list[Capability]:
        """What it declares and a request can ask for."""
        return [c for c in Capability if c in self.adapter.card.capabilities and c in _KINDS]

    @cached_property
    def takes_pictures(self) -> bool:
        """Whether questions may have pictures."""
        request = AnswerRequest(prompt=PROMPTS[1], images=(mosaic(0, 40, 24),), decoding=_SHORT)
        try:
            self.alone([request])
        except BenchError:
            return False
        return True

    def demand(self, *wanted: Capability) -> list[Capability]:
        """Those of the wanted capabilities that it has.

        Raises:
            NotApplicable: It has none.
        """
        found = [capability for capability in wanted if capability in self.capabilities]
        if not found:
            raise NotApplicable(f"the model has no {' and no '.join(c.value for c in wanted)}")
        return found

    def requests(self, capability: Capability, **fields: Any) -> list[Any]:
        """Four requests of one kind that differ in prompt, pictures and seed.

        Args:
            capability: Which kind.
            **fields: Set on each of them, where the kind has such a field.
        """
        return [self.request(capability, index, **fields) for index in range(len(PROMPTS))]

    def request(self, capability: Capability, index: int, **fields: Any) -> Any:
        """One of the four requests."""
        kind = _KINDS[capability]
        given = {**self._given(capability, index), "seed": 100 + index, **fields}
        return kind(**{name: v for name, v in given.items() if name in kind.__struct_fields__})

    def _given(self, capability: Capability, index: int) -> dict[str, Any]:
        shown = mosaic(index, *_SIZES[index])
        drawn = capability in (Capability.GENERATE_IMAGE, Capability.EDIT_IMAGE)
        return {
            "prompt": PROMPTS[index],
            "images": self._images(index),
            "image": shown,
            "continuations": _WORDS[: index + 1],
            "decoding": self.drawing if drawn else _SHORT,
        }

    def _images(self, index: int) -> tuple[Image, ...]:
        can = Capability.ANSWER not in self.capabilities or self.takes_pictures
        count = (1, 1, 2, 0)[index] if can else 0
        return tuple(mosaic(10 * index + n, *_SIZES[(index + n) % 4]) for n in range(count))

    def alone(self, requests: Sequence[Request]) -> list[Response]:
        """Responses to requests that are asked one by one."""
        return [response for request in requests for response in self._ask([request])]

    def together(self, requests: Sequence[Request]) -> list[Response]:
        """Responses to requests of one kind and decoding, in batches by the adapter's key."""
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for index, request in enumerate(requests):
            groups[self.adapter.batch_key(request)].append(index)
        found: dict[int, Response] = {}
        for group in groups.values():
            found.update(zip(group, self._ask([requests[i] for i in group]), strict=True))
        return [found[index] for index in range(len(requests))]

    def _ask(self, requests: Sequence[Request]) -> Sequence[Response]:
        responses = check_count(requests, perform(self.adapter, requests))
        for request, response in zip(requests, responses, strict=True):
            check_response(request, response)
        return responses

    def differences(
        self, first: Sequence[Response], second: Sequence[Response]
    ) -> Iterator[tuple[int, str]]:
        """Place and kind of every difference beyond the tolerance."""
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            said = difference(one, other, self.tolerance)
            if said:
                yield index, said


_SHORT = TextDecoding(max_new_tokens=8)
_KINDS: dict[Capability, Any] = {
    Capability.ANSWER: AnswerRequest,
    Capability.GENERATE_IMAGE: GenerateImageRequest,
    Capability.EDIT_IMAGE: EditImageRequest,
    Capability.LOGLIKELIHOOD: LogLikelihoodRequest,
    Capability.RECONSTRUCT: ReconstructRequest,
}


def difference(first: Response, second: Response, tolerance: Tolerance) -> str:
    """In what two responses differ beyond the tolerance; empty if in nothing.

    Example:
        >>> difference(Response(text="a"), Response(text="b"), Tolerance())
        "'a' and 'b'"
    """
    if first.text != second.text:
        return f"{first.text!r:.60} and {second.text!r:.60}"
    if first.loglikelihoods is not None and second.loglikelihoods is not None:
        pairs = zip(first.loglikelihoods, second.loglikelihoods, strict=True)
        apart = max((_apart(a, b) for a, b in pairs), default=0.0)
        return f"{apart:.2g} nats" if apart > tolerance.nats else ""
    if first.image is not None and second.image is not None:
        return _picture_difference(first.image, second.image, tolerance.levels)
    return ""


def _apart(first: float, second: float) -> float:
    return 0.0 if first == second else abs(first - second)  # both may be minus infinity


def _picture_difference(first: Image, second: Image, levels: int) -> str:
    import numpy as np

    if first.size != second.size:
        return f"sizes {first.size} and {second.size}"
    apart = int(np.abs(np.asarray(first, int) - np.asarray(second, int)).max())
    return f"{apart} grey levels" if apart > levels else ""
