"""Names the most vivid colour of a picture.

Importing this module must stay light: `cheers-bench list` imports every adapter. Import torch and
load weights in the constructor.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import ModelAdapter
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    FinishReason,
    ModelCard,
    Response,
    Usage,
)
from harness.rgb import as_rgb
from harness.text import cut_at_stop

__all__ = ["AcmeColours"]

CODE_VERSION = "1"
"""Raise it when the same weights and requests would give other responses."""

NAMES = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}


class AcmeColours(ModelAdapter):
    """Answers every question with the name of a colour.

    Args:
        path: Where a checkpoint would be; users write `--model acme-colours:PATH`.
        fallback: Answer to questions without a picture.
    """

    card = ModelCard(
        name="acme-colours",
        summary="Names the most vivid colour of a picture.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="CC0-1.0",
        source="https://example.org/acme-colours",
    )

    def __init__(self, path: str = "", *, fallback: str = "none") -> None:
        self._path, self._fallback = path, fallback

    def fingerprint(self) -> Fingerprint:
        """Everything that a response depends on: hash the weights that are really loaded."""
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=None,
            config={"fallback": self._fallback},
            defaults={},
            dtype="uint8",
            device="cpu",
        )

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """One response per request, in order, whatever else is in the batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: AnswerRequest) -> Response:
        letters = list(self._named(request))
        kept = letters[: request.decoding.max_new_tokens]  # a letter is this model's token
        text, stopped = cut_at_stop("".join(kept), request.decoding.stop)
        whole = stopped or len(kept) == len(letters)
        return Response(
            text=text,
            finish_reason=FinishReason.STOP if whole else FinishReason.LENGTH,
            usage=Usage(completion_tokens=len(kept)),
        )

    def _named(self, request: AnswerRequest) -> str:
        if not request.images:
            return self._fallback
        small = as_rgb(request.images[0]).resize((16, 16))
        colours = small.getcolors(256) or []
        vivid = max((colour for _, colour in colours), key=lambda c: (max(c) - min(c), c))
        return min(NAMES, key=lambda name: _distance(NAMES[name], vivid))


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
