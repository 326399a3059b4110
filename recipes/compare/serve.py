"""Any model's answers behind an OpenAI-compatible endpoint on this machine.

It's there to try `--model openai:URL` without a server of weights: requests are served one at a
time, a stream is one piece, and nothing is authenticated. It listens on the loopback address alone.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from harness.adapter import ModelAdapter
from harness.errors import BenchError
from harness.records import AnswerRequest, FinishReason, Response, TextDecoding

__all__ = ["read_request", "serving"]

_FINISH = {FinishReason.STOP: "stop"}


@contextmanager
def serving(adapter: ModelAdapter, name: str, port: int = 0) -> Iterator[str]:
    """Serve a model's answers while the block runs.

    Args:
        adapter: The model; it's called from one thread at a time.
        name: What the endpoint calls it.
        port: Where it listens; 0 is any that is free.

    Returns:
        The address that `/chat/completions` is appended to.
    """
    own = {"adapter": adapter, "name": name, "lock": threading.Lock()}
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (_Handler,), own))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def read_request(body: Mapping[str, Any]) -> AnswerRequest:
    """A chat completion's body as a request.

    Raises:
        ValueError: It isn't one user message of text and PNG or JPEG data URLs.
    """
    try:
        (message,) = body["messages"]
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [part["text"] for part in parts if part["type"] == "text"]
        pictures = [_picture(part) for part in parts if part["type"] == "image_url"]
        return AnswerRequest(
            prompt="\n".join(texts),
            images=tuple(pictures),
            decoding=_decoding(body),
            seed=int(body.get("seed", 0)),
        )
    except (KeyError, TypeError, OSError, binascii.Error) as error:
        raise ValueError(f"no chat completion: {error!r}") from error


def _decoding(body: Mapping[str, Any]) -> TextDecoding:
    plain, stop = TextDecoding(), body.get("stop") or ()
    return TextDecoding(
        max_new_tokens=int(body.get("max_tokens", plain.max_new_tokens)),
        temperature=float(body.get("temperature", plain.temperature)),
        top_p=float(body.get("top_p", plain.top_p)),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _picture(part: Mapping[str, Any]) -> Image.Image:
    data = part["image_url"]["url"].partition(";base64,")[2]
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    return image


class _Handler(BaseHTTPRequestHandler):
    """One request; what is served is set by `serving`."""

    protocol_version = "HTTP/1.1"
    adapter: ModelAdapter
    name: str
    lock: threading.Lock

    def log_message(self, *_: Any) -> None:
        """Say nothing: the harness's own progress is what people watch."""

    def do_POST(self) -> None:
        """Answer a chat completion; anything else is an error in the API's form."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with self.lock:
                (response,) = self.adapter.answer([read_request(body)])
        except (ValueError, BenchError) as error:
            self._send(400, {"error": {"message": str(error)}})
            return
        if body.get("stream"):
            self._stream(response)
        else:
            message = {"role": "assistant", "content": response.text}
            self._send(200, self._form(response, message=message))

    def _form(self, response: Response, **choice: Any) -> dict[str, Any]:
        finish = _FINISH.get(response.finish_reason, "length")
        choices = [{"index": 0, "finish_reason": finish, **choice}]
        return {"model": self.name, "choices": choices, "usage": _usage(response)}

    def _stream(self, response: Response) -> None:
        pieces = [self._form(response, delta={"content": response.text})]
        lines = [*map(json.dumps, pieces), "[DONE]"]
        data = "".join(f"data: {line}\n\n" for line in lines).encode()
        self._send_bytes(200, data, "text/event-stream")

    def _send(self, code: int, value: Any) -> None:
        self._send_bytes(code, json.dumps(value).encode(), "application/json")

    def _send_bytes(self, code: int, data: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _usage(response: Response) -> dict[str, int]:
    """Text and vision tokens together, as such servers count them."""
    used = response.usage
    given = (used.prompt_tokens or 0) + (used.vision_tokens or 0)
    return {"prompt_tokens": given, "completion_tokens": used.completion_tokens or 0}
