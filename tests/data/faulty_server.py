"""A real HTTP server on this machine whose answers go wrong as told."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FaultyServer", "Handler", "cut", "hang", "refusal", "serving"]

Answer = Callable[["Handler"], None]


class FaultyServer(ThreadingHTTPServer):
    """Serves `content` at every path; each request first takes one of `faults`, if any is left."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.etag = '"one"'
        self.modified = ""
        self.ranges = True
        self.faults: list[Answer] = []
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/Toy_DEV.tsv"

    def handle_error(self, *args: Any) -> None:
        """A client that hangs up is no news."""

    def asked_ranges(self) -> list[str]:
        """The Range header of each request, in order."""
        return [headers.get("range", "") for headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_GET(self) -> None:
        self.server.requests.append({k.lower(): v for k, v in self.headers.items()})
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.send_content()

    def send_content(self, *, stop_after: int | None = None, pause_s: float = 0.0) -> None:
        """The content, or the range that was asked for; `stop_after` bytes cut the connection."""
        start = self._start()
        body = self.server.content[start:]
        if start and not body:
            self._head(416, {"Content-Range": f"bytes */{len(self.server.content)}"}, 0)
            return
        last = len(self.server.content) - 1
        extra = {"Content-Range": f"bytes {start}-{last}/{last + 1}"} if start else {}
        self._head(206 if start else 200, extra, len(body))
        self.wfile.write(body[: stop_after or len(body)])
        self.wfile.flush()
        time.sleep(pause_s)
        if stop_after is not None:
            self.close_connection = True

    def _start(self) -> int:
        """Where to start: conditions that don't hold void the range (RFC 9110, 13.1.5)."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        holds = condition in (None, self.server.etag, self.server.modified)
        return int(match[1]) if match and holds and self.server.ranges else 0

    def _head(self, code: int, extra: dict[str, str], length: int) -> None:
        self.send_response(code)
        for name, value in {
            "ETag": self.server.etag,
            "Last-Modified": self.server.modified,
            **extra,
        }.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def refuse(self, code: int, **headers: str) -> None:
        """An answer without content."""
        self._head(code, {k.replace("_", "-"): v for k, v in headers.items()}, 0)

    def log_message(self, *args: Any) -> None:
        """Tests read `requests` instead."""


def cut(after: int) -> Answer:
    """The connection breaks after that many bytes."""
    return lambda handler: handler.send_content(stop_after=after)


def refusal(code: int, **headers: str) -> Answer:
    """An error."""
    return lambda handler: handler.refuse(code, **headers)


def hang(seconds: float, after: int) -> Answer:
    """Some bytes, then nothing for a while, then the end of the connection."""
    return lambda handler: handler.send_content(stop_after=after, pause_s=seconds)


@contextmanager
def serving(content: bytes) -> Iterator[FaultyServer]:
    """A server in a thread of its own."""
    with FaultyServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
