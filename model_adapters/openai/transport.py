"""Sending a request until it's answered, refused, or patience ends."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.errors import AdapterError
from harness.text import one_line
from model_adapters.openai.arguments import Patience
from model_adapters.openai.secret import Secret

if TYPE_CHECKING:
    from httpx2 import Response

__all__ = ["Attempt", "LostError", "Transport"]

T = TypeVar("T")

_SHOWN = 300
"""Characters of a server's refusal that are shown."""

_LARGEST = 1 << 28
"""Bytes of an answer beyond which it can't be one."""


class LostError(Exception):
    """This attempt failed in a way that another one may not."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Attempt:
    """One answer on its way.

    Args:
        response: Its head has come; its body is read here.
        secret: Hidden from whatever is read.
        timeout_s: Seconds that the attempt may take.
    """

    def __init__(self, response: Response, secret: Secret, start: float, timeout_s: float) -> None:
        self._response, self._secret = response, secret
        self._timeout_s = timeout_s
        self.start = start
        """`time.perf_counter()` when the request was sent."""

    @property
    def kind(self) -> str:
        """Content type without parameters."""
        said = self._secret.hide(str(self._response.headers.get("content-type", "")))
        return said.partition(";")[0].strip().lower()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes.

        Raises:
            LostError: It takes too long.
            AdapterError: It's larger than any answer.
        """
        size = 0
        for chunk in self._response.iter_bytes():
            size += len(chunk)
            if size > _LARGEST:
                raise AdapterError(f"the server sends more than {_LARGEST:,} bytes", "check it")
            if time.perf_counter() - self.start > self._timeout_s:
                raise LostError(f"no whole answer after {self._timeout_s:g} s")
            yield chunk

    def json(self) -> Any:
        """The whole body as JSON.

        Raises:
            AdapterError: It's something else.
        """
        body = b"".join(self.chunks())
        if self.kind != "application/json":
            raise self.unexpected(body)
        return self.parse(body)

    def parse(self, data: bytes) -> Any:
        """JSON with the key hidden, in what its strings mean and not in how they're spelled.

        Raises:
            AdapterError: It isn't JSON, or is nested without end.
        """
        text = data.decode(errors="replace")
        try:
            return self._secret.hide_within(msgspec.json.decode(text))
        except (msgspec.DecodeError, RecursionError) as error:
            raise AdapterError(
                f"the server sends malformed JSON ({error}): {_short(self._secret.hide(text))}",
                "look at the server's log",
            ) from error

    def unexpected(self, body: bytes) -> AdapterError:
        """An error that says of what type the answer is."""
        text = self._secret.hide(body.decode(errors="replace"))
        return AdapterError(
            f"the server answers with {self.kind or 'no content type'}, not JSON: {_short(text)}",
            "check the address; it usually ends with /v1",
        )


class Transport:
    """A client of one server, for several threads.

    Args:
        base: Address that paths are appended to.
        secret: The key.
        patience: Timeouts and attempts.
        connections: Most at a time.
    """

    def __init__(self, base: str, secret: Secret, patience: Patience, connections: int) -> None:
        import httpx2

        self._base, self._secret, self._patience = base, secret, patience
        self._closed = threading.Event()
        self._chance = random.Random()  # spreads clients; no result depends on it
        self._client = httpx2.Client(
            headers={"User-Agent": f"cheers-bench/{version('cheers-bench')}"},
            follow_redirects=False,  # a key is for the server that the user named
            timeout=httpx2.Timeout(patience.timeout_s, connect=patience.connect_s),
            limits=httpx2.Limits(max_connections=connections),
        )

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Attempt], T]) -> T:
        """Send a request; rate limits, server errors and lost connections are tried again.

        Args:
            path: Behind the base address, e.g. `/chat/completions`.
            body: Sent as JSON.
            read: Makes the result of an attempt; may raise `LostError`.

        Raises:
            AdapterError: The server refuses, its answer makes no sense, or patience ended.
        """
        pause = self._patience.pause_s
        for left in reversed(range(self._patience.attempts)):
            try:
                return self._attempt(path, body, read)
            except LostError as error:
                self._check_wait(path, error, left)
                if self._closed.wait(self._wait(error, pause)):
                    raise AdapterError(f"{self._base}{path}: closed while waiting", "") from error
                pause = min(2 * pause, self._patience.longest_pause_s)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close all connections; requests that wait for their next attempt end."""
        self._closed.set()
        self._client.close()

    def _attempt(self, path: str, body: Mapping[str, Any], read: Callable[[Attempt], T]) -> T:
        start = time.perf_counter()
        with (
            self._understood(path),
            self._client.stream(
                "POST",
                self._base + path,
                content=msgspec.json.encode(body),
                headers={**self._secret.headers(), "Content-Type": "application/json"},
            ) as response,
        ):
            attempt = Attempt(response, self._secret, start, self._patience.timeout_s)
            self._check_status(path, response, attempt)
            return read(attempt)

    @contextmanager
    def _understood(self, path: str) -> Iterator[None]:
        """Errors of the client library in our words, without what they hold of the request."""
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            raise LostError(
                f"{type(error).__name__} after {self._patience.timeout_s:g} s"
            ) from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise LostError(self._secret.hide(f"{type(error).__name__}: {error}")) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise AdapterError(
                self._secret.hide(f"{self._base}{path} can't be asked: {error}"),
                "check the address",
            ) from None

    def _check_status(self, path: str, response: Response, attempt: Attempt) -> None:
        code = response.status_code
        if code == 200:
            return
        body = b"".join(attempt.chunks()).decode(errors="replace")
        said = f"the server answers {code}: {_short(self._secret.hide(body))}"
        if code == 429 or code >= 500:
            raise LostError(said, _retry_after(response.headers))
        raise AdapterError(f"{self._base}{path}: {said}", self._remedy(code))

    def _remedy(self, code: int) -> str:
        if code in (401, 403):
            return f"set the environment variable {self._secret.name} to a valid key"
        if code in (300, 301, 302, 303, 307, 308, 404, 405):
            return "check the address (it usually ends with /v1) and the argument model"
        return "the server names what it refuses; see docs/models.md for the adapter's arguments"

    def _check_wait(self, path: str, error: LostError, left: int) -> None:
        longest = self._patience.longest_pause_s
        if error.wait_s is not None and error.wait_s > longest:
            raise AdapterError(
                f"{self._base}{path}: {error}; it asks for a pause of {error.wait_s:.0f} s",
                f"run the command again later, or allow it: longest_pause_s={error.wait_s:.0f}",
            ) from error
        if not left:
            raise AdapterError(
                f"{self._base}{path} isn't answered after {self._patience.attempts} attempts: "
                f"{error}",
                "run the command again later with --retry-errors: it goes on where it stopped",
            ) from error

    def _wait(self, error: LostError, pause: float) -> float:
        if error.wait_s is not None:
            return error.wait_s
        return min(pause, self._patience.longest_pause_s) * self._chance.uniform(0.5, 1.0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of the header (RFC 9110, 10.2.3): a number or a date; `None` if it's neither."""
    said = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    known = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (known - datetime.now(UTC)).total_seconds())


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _SHOWN else line[:_SHOWN] + " ..."
