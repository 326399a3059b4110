"""One chat completion: the request's body, and its answer read as it comes."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from harness.errors import AdapterError, CapabilityError
from harness.records import AnswerRequest, FinishReason, TextDecoding, Timing, Usage
from harness.rgb import as_rgb
from harness.seeds import stream_seed
from model_adapters.openai.events import events
from model_adapters.openai.transport import Attempt, LostError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Completion", "body", "read", "seed_of", "usage"]

_MOST_STOPS = 4
"""Stop strings that the API takes; further ones are cut from the answer here."""

_SPOKEN = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a delta whose tokens are counted as the completion's: vLLM, SGLang and hosted models
send what a model thinks in the second or the third."""

_SEED_BITS = 31  # what every server takes: some keep seeds in 32 bits
_FINISH = {
    "stop": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
}


class Completion(NamedTuple):
    """An answer and what the server says about it."""

    text: str
    """The answer."""

    finish: FinishReason
    """Why it ended."""

    usage: Mapping[str, Any]
    """As the server counts; may be empty."""

    timing: Timing
    """From sending the attempt that succeeded."""

    model: str | None
    """Model that the server says it asked."""

    system: str | None
    """The server's `system_fingerprint`."""


def seed_of(seed: int, stream: str) -> int:
    """A request's seed for the server, in [0, 2**31)."""
    return stream_seed(seed, stream) >> (63 - _SEED_BITS)


def body(
    request: AnswerRequest,
    model: str,
    length_field: str,
    *,
    stream: bool,
    seeded: bool,
    bounded: bool = False,
) -> dict[str, Any]:
    """The request as the API takes it; pictures stand before the text, as PNG data URLs.

    Args:
        request: The request.
        model: The server's name of the model.
        length_field: `max_tokens` or `max_completion_tokens`.
        stream: Whether the answer comes token by token.
        seeded: Whether the seed is sent.
        bounded: Whether the server knows vLLM's `min_tokens`.

    Raises:
        CapabilityError: It asks for a least number of tokens, which the server doesn't know.
        AdapterError: It asks for beams, which the API doesn't have.
    """
    decoding = request.decoding
    if decoding.num_beams > 1:
        raise AdapterError("the API has no beam search", "set num_beams=1")
    if decoding.min_new_tokens and not bounded:
        raise CapabilityError(
            "OpenAI's API has no least number of tokens",
            "for a server that takes vLLM's min_tokens: --model-arg min_tokens=on",
        )
    pictures = [
        {"type": "image_url", "image_url": {"url": _data_url(image)}} for image in request.images
    ]
    content = [*pictures, {"type": "text", "text": request.prompt}] if pictures else request.prompt
    return {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        length_field: decoding.max_new_tokens,
        **({"min_tokens": decoding.min_new_tokens} if decoding.min_new_tokens else {}),
        **({"seed": seed_of(request.seed, "sampling")} if seeded else {}),
        **_sampling(decoding),
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {}),
    }


def _sampling(decoding: TextDecoding) -> dict[str, Any]:
    fields: dict[str, Any] = {"temperature": decoding.temperature}
    if decoding.temperature > 0:
        fields["top_p"] = decoding.top_p
    stop = [text for text in decoding.stop if text][:_MOST_STOPS]
    return {**fields, "stop": stop} if stop else fields


def _data_url(image: Image) -> str:
    buffer = io.BytesIO()
    as_rgb(image).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


class _Pieces:
    """What has come of an answer so far."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._finish: str | None = None
        self._first: float | None = None
        self._spoken = 0
        self._chosen = False
        self._usage: Mapping[str, Any] = {}
        self._model: str | None = None
        self._system: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether the server said why the answer ended."""
        return self._finish is not None

    def add(self, message: Mapping[str, Any], part: str) -> None:
        """Take in a chunk (`part` is `delta`) or a whole answer (`message`).

        Raises:
            AdapterError: It belongs to a second answer; one is asked for.
        """
        self._usage = message.get("usage") or self._usage
        self._model = message.get("model") or self._model
        self._system = message.get("system_fingerprint") or self._system
        choices = message.get("choices") or []
        if len(choices) > 1 or any(choice.get("index") for choice in choices):
            raise AdapterError(
                "the server gives more than one choice to a request for one (n=1)",
                "let the server answer each request once; which choice counts isn't defined",
            )
        for choice in choices:
            self._chosen = True
            self._finish = choice.get("finish_reason") or self._finish
            self._say(choice.get(part) or {})

    def _say(self, said: Mapping[str, Any]) -> None:
        for field, pieces in (("content", self._texts), ("refusal", self._refusals)):
            text = said.get(field)
            if isinstance(text, str):
                pieces.append(text)
        if any(said.get(field) for field in _SPOKEN):
            self._spoken += 1
            if self._first is None:
                self._first = time.perf_counter()

    def completion(self, *, streamed: bool) -> Completion:
        """The whole answer.

        Raises:
            AdapterError: There is none.
        """
        if not self._chosen:
            raise AdapterError(
                "the server's answer has no choices", "look at the server's log for this request"
            )
        finish = _FINISH.get(self._finish or "stop")
        pieces = self._texts or self._refusals  # a refusal is the model's answer
        if finish is None or (not pieces and not streamed):
            raise AdapterError(
                f"the server gives no text; it ended with {self._finish!r}",
                "an answer that was filtered or called a tool can't be scored",
            )
        timing = Timing(
            ttft_s=self._ttft_s() if streamed else None,
            total_s=time.perf_counter() - self._start,
        )
        return Completion("".join(pieces), finish, self._usage, timing, self._model, self._system)

    def _ttft_s(self) -> float | None:
        """Unknown where several tokens came in one piece: that is when the last one came."""
        tokens = _count(self._usage.get("completion_tokens")) or 0
        if self._first is None or (self._spoken == 1 and tokens > 1):
            return None
        return self._first - self._start


def read(attempt: Attempt) -> Completion:
    """Read an answer, streamed or whole: some servers don't stream although they're asked to.

    Raises:
        LostError: The stream was cut off.
        AdapterError: It makes no sense.
    """
    pieces = _Pieces(attempt.start)
    if attempt.kind != "text/event-stream":
        pieces.add(_checked(attempt.json()), "message")
        return pieces.completion(streamed=False)
    done = False
    for message in _messages(attempt):
        done = done or message is None
        if message is not None:
            pieces.add(message, "delta")
    if not done and not pieces.is_ended:
        raise LostError("the stream was cut off before the answer's end")
    return pieces.completion(streamed=True)


def _messages(attempt: Attempt) -> Iterator[Mapping[str, Any] | None]:
    """Chunks of a stream; `None` is its proper end."""
    for data in events(attempt.chunks()):
        if data.strip() == b"[DONE]":
            yield None
        else:
            yield _checked(attempt.parse(data))


def _checked(message: Any) -> Mapping[str, Any]:
    if not isinstance(message, dict):
        raise AdapterError(f"the server sends {message!r:.100} in place of an object", "check it")
    if message.get("error"):
        said = msgspec.json.encode(message["error"]).decode()
        raise AdapterError(f"the server reports an error: {said[:300]}", "look at its log")
    return message


def usage(completion: Completion, pictures: int) -> Usage:
    """The server's counts in the harness's terms.

    Servers count picture and text tokens of a prompt together. Where they don't say which are
    which, neither is known.

    Args:
        completion: The answer.
        pictures: How many were shown.
    """
    found = completion.usage
    whole, seen = _count(found.get("prompt_tokens")), None if pictures else 0
    details = found.get("prompt_tokens_details")
    if pictures and isinstance(details, dict):
        seen = _count(details.get("image_tokens"))
    return Usage(
        prompt_tokens=None if whole is None or seen is None else whole - seen,
        completion_tokens=_count(found.get("completion_tokens")),
        vision_tokens=seen,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
