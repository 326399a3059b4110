"""Models behind an OpenAI-compatible endpoint.

The protocol is OpenAI's chat completions and image generations, as vLLM, SGLang, llama.cpp and most
hosted models speak it (https://platform.openai.com/docs/api-reference).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from harness.adapter import ModelAdapter
from harness.errors import AdapterError, SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    FinishReason,
    GenerateImageRequest,
    JsonValue,
    ModelCard,
    Response,
    TextDecoding,
    Timing,
    Usage,
)
from harness.text import cut_at_stop
from model_adapters.openai.arguments import Patience, checked_extra, checked_url, switch, whole
from model_adapters.openai.secret import DEFAULT_ENV, Secret

if TYPE_CHECKING:
    from model_adapters.openai.chat import Completion
    from model_adapters.openai.remembering import Crowd
    from model_adapters.openai.transport import Transport

__all__ = ["OpenAIEndpoint"]

CODE_VERSION = "1"
"""Raised when the same model and requests would give other responses."""

_LENGTH_FIELDS = ("max_tokens", "max_completion_tokens")


class OpenAIEndpoint(ModelAdapter):
    """A model behind an address that speaks OpenAI's protocol.

    The key comes from the environment alone. It's sent to the address and nowhere else, and never
    written anywhere.

    Args:
        path: Address that `/chat/completions` is appended to; without credentials.
        model: The server's name of the model.
        key_env: Environment variable that holds the key.
        chat: Whether it answers.
        images: Whether it draws, through `/images/generations`.
        stream: Whether answers come token by token, so that the time to the first one is known.
        concurrency: Most requests at a time.
        connect_s: Seconds until a connection must stand.
        timeout_s: Seconds that one attempt may take.
        attempts: Attempts in all; only 429, 5xx and lost connections are tried again.
        pause_s: Seconds before the second attempt, doubled before each further one.
        longest_pause_s: Longest pause, also where the server asks for one.
        max_tokens_field: `max_tokens` or `max_completion_tokens`, which some models want.
        min_tokens: Whether the server takes vLLM's `min_tokens`; without it a request for a least
            number of tokens is refused.
        b64_json: Whether `response_format` is sent with image generations.
        send_seed: Whether `seed` is sent, with chat completions and image generations; `off` for
            servers that refuse fields they don't know. Part of the fingerprint.
        pin_backend: Whether the server's `system_fingerprint` is part of the fingerprint; `off` for
            servers that change it from call to call.
        extra: Further fields of each request's body, stored with the run.

    Raises:
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="openai",
        summary="Any OpenAI-compatible endpoint: answers, and pictures with images=on.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="see the endpoint",
        source="the address that is named",
    )

    def __init__(
        self,
        path: str = "",
        *,
        model: str = "",
        key_env: str = DEFAULT_ENV,
        chat: bool = True,
        images: bool = False,
        stream: bool = True,
        concurrency: int = 8,
        connect_s: float = 15.0,
        timeout_s: float = 300.0,
        attempts: int = 6,
        pause_s: float = 1.0,
        longest_pause_s: float = 120.0,
        max_tokens_field: str = "max_tokens",
        min_tokens: bool = False,
        b64_json: bool = True,
        send_seed: bool = True,
        pin_backend: bool = True,
        extra: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._url = checked_url(path)
        self._model = _checked_model(model)
        self._length_field = _checked_field(max_tokens_field)
        self._stream, self._base64 = switch("stream", stream), switch("b64_json", b64_json)
        self._seeded = switch("send_seed", send_seed)
        self._bounded = switch("min_tokens", min_tokens)
        self._pinned = switch("pin_backend", pin_backend)
        self._extra = checked_extra(extra)
        self._concurrency = whole("concurrency", concurrency)
        self._patience = Patience(
            connect_s=connect_s,
            timeout_s=timeout_s,
            attempts=attempts,
            pause_s=pause_s,
            longest_pause_s=longest_pause_s,
        ).checked()
        self._secret = Secret(key_env)
        self.card = msgspec.structs.replace(
            type(self).card,
            capabilities=_capabilities(switch("chat", chat), switch("images", images)),
        )
        self._served: dict[str, JsonValue] | None = None
        self._opened: tuple[Transport, Crowd] | None = None

    def fingerprint(self) -> Fingerprint:
        """Identity: address and name, and what the server says that it serves.

        A server that answers is asked one token for that, once.

        Raises:
            AdapterError: The server can't be asked.
        """
        if self._served is None:
            self._served = self._ask_who_serves()
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=None,
            config={
                "endpoint": self._url,
                "model": self._model,
                "served": self._served,
                "max_tokens_field": self._length_field,
                "extra": self._extra,
                "send_seed": self._seeded,
            },
            defaults={},
            dtype="unknown",
            device="remote",
        )

    def preferred_batch_size(self, capability: Capability) -> int:  # noqa: ARG002
        """Twice as many as run at a time, so that few wait for a slow one."""
        return 2 * self._concurrency

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer each request with a chat completion of its own; they run side by side."""
        return self._serve(requests, self._answered)

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw each request's picture with a call of its own; they run side by side."""
        if Capability.GENERATE_IMAGE not in self.card.capabilities:
            raise self._lacks(Capability.GENERATE_IMAGE)
        return self._serve(requests, self._drawn)

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            transport, crowd = self._opened
            crowd.close()
            transport.close()
            self._opened = None

    @property
    def _transport(self) -> Transport:
        return self._open()[0]

    @property
    def _crowd(self) -> Crowd:
        return self._open()[1]

    def _open(self) -> tuple[Transport, Crowd]:
        if self._opened is None:
            from model_adapters.openai.remembering import Crowd
            from model_adapters.openai.transport import Transport

            transport = Transport(self._url, self._secret, self._patience, self._concurrency)
            self._opened = (transport, Crowd(self._concurrency))
        return self._opened

    def _serve(self, requests: Sequence[Any], ask: Callable[[Any], Response]) -> list[Response]:
        try:
            return self._crowd.serve(requests, ask)
        except KeyboardInterrupt:
            self.close()  # its connections still wait for the server: the next call has its own
            raise

    def _answered(self, request: AnswerRequest) -> Response:
        from model_adapters.openai.chat import usage

        if request.raw:
            raise self._lacks(Capability.RAW_TEXT)
        found = self._completed(request)
        self._check_served(found)
        text, stopped = cut_at_stop(self._secret.hide(found.text), request.decoding.stop)
        return Response(
            text=text,
            finish_reason=FinishReason.STOP if stopped else found.finish,
            usage=usage(found, len(request.images)),
            timing=found.timing,
        )

    def _completed(self, request: AnswerRequest) -> Completion:
        from model_adapters.openai.chat import body, read

        asked = body(
            request,
            self._model,
            self._length_field,
            stream=self._stream,
            seeded=self._seeded,
            bounded=self._bounded,
        )
        return self._transport.post("/chat/completions", {**asked, **self._extra}, read)

    def _drawn(self, request: GenerateImageRequest) -> Response:
        from model_adapters.openai.drawing import body, read

        decoding = request.decoding
        size = None
        if decoding.width is not None and decoding.height is not None:
            size = (decoding.width, decoding.height)
        asked = body(request, self._model, base64_field=self._base64, seeded=self._seeded)
        start, image = self._transport.post(
            "/images/generations",
            {**asked, **self._extra},
            lambda attempt: (attempt.start, read(attempt, size)),
        )
        return Response(
            image=image, usage=Usage(), timing=Timing(total_s=time.perf_counter() - start)
        )

    def _ask_who_serves(self) -> dict[str, JsonValue]:
        if Capability.ANSWER not in self.card.capabilities:
            return {}
        found = self._completed(AnswerRequest(prompt="Hi", decoding=TextDecoding(max_new_tokens=1)))
        served: dict[str, JsonValue] = {"model": found.model}
        return {**served, "system_fingerprint": found.system} if self._pinned else served

    def _check_served(self, found: Completion) -> None:
        """Refuse answers of another model than the one that the fingerprint names."""
        known = (self._served or {}).get("model")
        if known is not None and found.model is not None and found.model != known:
            raise AdapterError(
                f"the server answered with model {found.model!r}; the run's fingerprint names "
                f"{known!r}",
                "name the exact model that the server serves, and start a new run folder",
            )


def _checked_model(model: object) -> str:
    if not isinstance(model, str) or not model:
        raise SpecError(
            f"model={model!r} is no name", "name the server's model: --model-arg model=NAME"
        )
    return model


def _checked_field(name: str) -> str:
    if name not in _LENGTH_FIELDS:
        raise SpecError(
            f"max_tokens_field={name!r} is unknown", f"it is one of {', '.join(_LENGTH_FIELDS)}"
        )
    return name


def _capabilities(chat: bool, images: bool) -> frozenset[Capability]:
    pairs = ((chat, Capability.ANSWER), (images, Capability.GENERATE_IMAGE))
    found = frozenset(capability for has, capability in pairs if has)
    if not found:
        raise SpecError("chat=off and images=off leave nothing to do", "switch one on")
    return found
