"""A real HTTP server on this machine that speaks OpenAI's protocol, with faults on request.

`ChatServer` answers each chat completion with what `answer(body)` says, word by word. Faults that
are queued in `faults` are served first, one per request.
"""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Fault = Callable[["Handler"], None]


class ChatServer:
    """State that the test and the server's threads share."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.model: str | None = "toy-2026-01"
        self.system: str | None = "fp_1"
        self.pause_s = 0.0
        self.usage: dict[str, Any] | None = {"prompt_tokens": 9, "completion_tokens": 3}
        self.answer: Callable[[dict[str, Any]], str] = lambda body: "It is red"
        self.finish = "stop"
        self.encode: Callable[[Any], str] = json.dumps
        self.size = (8, 6)
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.url = ""

    def prompts(self) -> list[str]:
        return [text_of(body) for body in self.bodies]


def text_of(body: dict[str, Any]) -> str:
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ChatServer

    def log_message(self, *_: Any) -> None:
        """Tests read what they want from the state."""

    def do_POST(self) -> None:
        state = self.state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            state.bodies.append(body)
            state.headers.append(dict(self.headers))
            state.paths.append(self.path)
            fault = state.faults.pop(0) if state.faults else None
            state.running += 1
            state.most = max(state.most, state.running)
        try:
            fault(self) if fault else self.serve(body)
        finally:
            with state.lock:
                state.running -= 1

    def serve(self, body: dict[str, Any]) -> None:
        if self.path.endswith("/images/generations"):
            self.send_json(200, {"data": [{"b64_json": picture(*self.state.size)}]})
        elif self.path.endswith("/chat/completions") and body.get("stream"):
            self.stream(self.chunks(body))
        elif self.path.endswith("/chat/completions"):
            self.send_json(200, self.whole(body))
        else:
            self.send_json(404, {"error": {"message": f"no {self.path}"}})

    def head(self) -> dict[str, Any]:
        fields = {"id": "x", "model": self.state.model, "system_fingerprint": self.state.system}
        return {name: value for name, value in fields.items() if value is not None}

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.state.answer(body)}
        choice = {"index": 0, "message": message, "finish_reason": self.state.finish}
        return {**self.head(), "choices": [choice], "usage": self.state.usage}

    def chunks(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {**self.head(), "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
        for word in self.state.answer(body).split(" "):
            time.sleep(self.state.pause_s)
            yield {**self.head(), "choices": [{"index": 0, "delta": {"content": word + " "}}]}
        last = {"index": 0, "delta": {}, "finish_reason": self.state.finish}
        yield {**self.head(), "choices": [last]}
        if body.get("stream_options", {}).get("include_usage"):
            yield {**self.head(), "choices": [], "usage": self.state.usage}

    def stream(self, chunks: Iterator[Any], *, done: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        for chunk in chunks:
            data = chunk if isinstance(chunk, bytes) else self.state.encode(chunk).encode()
            self.wfile.write(b"data: " + data + b"\n\n")
            self.wfile.flush()
        if done:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def send_json(self, code: int, value: Any, **headers: str) -> None:
        self.send_bytes(code, self.state.encode(value).encode(), "application/json", **headers)

    def send_bytes(self, code: int, data: bytes, kind: str, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def picture(width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGBA", (width, height), (200, 10, 10, 255)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


# --- faults --------------------------------------------------------------------------------------


def status(code: int, message: str = "no", **headers: str) -> Fault:
    return lambda handler: handler.send_json(code, {"error": {"message": message}}, **headers)


def json_of(value: Any) -> Fault:
    return lambda handler: handler.send_json(200, value)


def raw(data: bytes, kind: str, code: int = 200, **headers: str) -> Fault:
    return lambda handler: handler.send_bytes(code, data, kind, **headers)


def streamed(*chunks: Any, done: bool = True) -> Fault:
    return lambda handler: handler.stream(iter(chunks), done=done)


def delta(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def hang(seconds: float) -> Fault:
    return lambda _handler: time.sleep(seconds)


def trickle(count: int, pause_s: float) -> Fault:
    def chunks() -> Iterator[dict[str, Any]]:
        for _ in range(count):
            time.sleep(pause_s)
            yield delta("x")

    def serve(handler: Handler) -> None:
        try:
            handler.stream(chunks())
        except OSError:
            handler.close_connection = True  # the client has gone away, as it should

    return serve


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def short_body(handler: Handler) -> None:
    """Promise more bytes than come."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A running server; `url` ends with /v1."""
    state = ChatServer()
    handler = type("Bound", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
