"""Downloads that go on where they stopped, and never splice two versions of a file."""

from __future__ import annotations

import ipaddress
import shutil
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from harness.errors import DataError, SpecError
from harness.media import write_bytes
from harness.records import Record

if TYPE_CHECKING:
    from httpx2 import Client, Response

__all__ = ["Patience", "Progress", "download"]

Progress = Callable[[int, int | None], None]
"""Called with bytes that are there and bytes there will be, if known."""

_SPARE = 1 << 28


class Patience(Record, frozen=True, kw_only=True):
    """How long a download waits and how often it tries."""

    connect_s: float = 15.0
    """Seconds until a connection must stand."""

    read_s: float = 60.0
    """Seconds without a byte after which a connection counts as lost."""

    attempts: int = 6
    """Requests in all; refusals such as 404 aren't tried again."""

    pause_s: float = 1.0
    """Seconds before the second attempt; doubled before each further one, up to `longest_s`."""

    longest_s: float = 60.0
    """Longest pause, also where a server asks for a longer one with `Retry-After`."""


class _Version(Record, frozen=True, kw_only=True):
    """Which version of the remote file a partial one is of."""

    url: str
    etag: str = ""
    modified: str = ""

    @property
    def condition(self) -> str:
        """Value of `If-Range` (RFC 9110, 13.1.5): a weak tag can't say that bytes are the same."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _LostError(Exception):
    """This attempt failed in a way that another one may not."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


def download(
    url: str,
    part: Path,
    *,
    size: int | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> None:
    """Fetch `url` into `part`; what a former call left there is gone on with.

    Beside `part`, `PART.json` remembers which version of the remote file it's of. The caller checks
    the bytes and gives the file its name.

    Args:
        url: `https://` address; `http://` for this machine alone.
        part: File to write; its folder exists.
        size: Bytes that the file must have, if known.
        progress: Told about bytes as they come.
        patience: Timeouts and attempts.

    Raises:
        SpecError: The address is malformed or isn't encrypted.
        DataError: It can't be fetched; what came so far is kept.
    """
    import httpx2

    _check_address(url)
    patience = patience or Patience()
    job = _Job(url, part, size, progress or _silent)
    with httpx2.Client(
        follow_redirects=True,
        headers={"User-Agent": f"cheers-bench/{version('cheers-bench')}"},
        timeout=httpx2.Timeout(patience.read_s, connect=patience.connect_s),
    ) as client:
        _persist(lambda: job.attempt(client), url, patience)
    job.forget()


def _silent(_done: int, _total: int | None) -> None:
    """Progress that nobody watches."""


def _persist(attempt: Callable[[], None], url: str, patience: Patience) -> None:
    pause = patience.pause_s
    for left in reversed(range(patience.attempts)):
        try:
            attempt()
            return
        except _LostError as error:
            if not left:
                raise DataError(
                    f"{url} can't be fetched after {patience.attempts} attempts: {error}",
                    "run the command again later: it goes on where it stopped",
                ) from error
            time.sleep(min(pause if error.wait_s is None else error.wait_s, patience.longest_s))
            pause = min(2 * pause, patience.longest_s)


class _Job:
    """One file on its way."""

    def __init__(self, url: str, part: Path, size: int | None, progress: Progress) -> None:
        self._url = url
        self._part = part
        self._note = part.with_name(f"{part.name}.json")
        self._size = size
        self._progress = progress

    def attempt(self, client: Client) -> None:
        """One request for what is missing; returns when the file is whole."""
        import httpx2

        known, done = self._so_far()
        try:
            with client.stream("GET", self._url, headers=_headers(known, done)) as response:
                self._check(response)
                if response.status_code == 416:
                    self._check_whole(response, done)
                else:
                    self._receive(response, known, done)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise _LostError(f"{type(error).__name__}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DataError(
                f"{self._url} can't be fetched: {error}", "check the address"
            ) from error
        except OSError as error:
            raise DataError(
                f"{self._part} can't be written: {error.strerror}", "free some space"
            ) from error

    def discard(self) -> None:
        """Throw away what came so far."""
        self._part.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """The file is whole: which version it's of doesn't matter any more."""
        self._note.unlink(missing_ok=True)

    def _so_far(self) -> tuple[_Version | None, int]:
        """The version of the partial file and its bytes; without a version it can't be used."""
        try:
            known = msgspec.json.decode(self._note.read_bytes(), type=_Version)
            if known.url == self._url and known.condition:
                return known, self._part.stat().st_size
        except (FileNotFoundError, msgspec.MsgspecError):
            return None, 0
        return None, 0

    def _check(self, response: Response) -> None:
        code = response.status_code
        if response.url.scheme == "http" and self._url.startswith("https:"):
            raise DataError(f"{self._url} leads to {response.url}", "use an address that is https")
        if code == 429 or code >= 500:
            raise _LostError(f"the server answers {code}", _wait(response.headers))
        if code not in (200, 206, 416):
            raise DataError(
                f"{self._url} can't be fetched: the server answers {code}",
                "check the address; a login or licence may be needed: fetch it by hand, then "
                "`cheers-bench data import NAME FILE`",
            )

    def _check_whole(self, response: Response, done: int) -> None:
        """Nothing follows the bytes that are here: they're all of them, or too many."""
        if _total(response, done) != done:
            self.discard()
            raise _LostError("the server has fewer bytes than are here", 0)

    def _receive(self, response: Response, known: _Version | None, done: int) -> None:
        if response.status_code == 206 and not _continues(response, known, done):
            self.discard()
            raise _LostError("the server sent another part than was asked for", 0)
        if response.status_code == 200:
            done = 0
            self._remember(response)
        total = _total(response, done)
        self._check_size(total, done)
        with self._part.open("ab" if done else "wb") as file:
            for chunk in response.iter_bytes():  # as they come: a cut loses none of them
                file.write(chunk)
                done += len(chunk)
                self._progress(done, total)
        if total is not None and done != total:
            raise _LostError(f"{done:,} of {total:,} bytes came")

    def _remember(self, response: Response) -> None:
        tag, modified = response.headers.get("etag", ""), response.headers.get("last-modified", "")
        note = _Version(url=self._url, etag=tag, modified=modified)
        write_bytes(self._note, msgspec.json.encode(note), durable=False)

    def _check_size(self, total: int | None, done: int) -> None:
        if total is not None and self._size is not None and total != self._size:
            self.discard()
            raise DataError(
                f"{self._url} has {total:,} bytes, but the official file has {self._size:,}",
                "the publisher has changed it: look for the old file, then `cheers-bench data "
                "import NAME FILE`",
            )
        free = shutil.disk_usage(self._part.parent).free
        if total is not None and total - done + _SPARE > free:
            raise DataError(
                f"{self._url} needs {total - done:,} bytes, but {self._part.parent} has {free:,}",
                "free some space, or set CHEERS_BENCH_DATA to a larger disk",
            )


def _headers(known: _Version | None, done: int) -> dict[str, str]:
    """Compressed transfers are declined: byte ranges are of the file itself."""
    plain = {"Accept-Encoding": "identity"}
    if known is None or not done:
        return plain
    return {**plain, "Range": f"bytes={done}-", "If-Range": known.condition}


def _continues(response: Response, known: _Version | None, done: int) -> bool:
    """Whether a partial response is the very next bytes of the very same version."""
    start = response.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    tag = response.headers.get("etag", "")
    same = known is not None and (not tag or not known.etag or tag == known.etag)
    return same and start == str(done)


def _total(response: Response, done: int) -> int | None:
    if response.headers.get("content-encoding", "identity") != "identity":
        return None  # the length is that of the compressed bytes
    _, _, said = response.headers.get("content-range", "").partition("/")
    if said.isdecimal():
        return int(said)
    length = response.headers.get("content-length", "")
    return done + int(length) if length.isdecimal() else None


def _wait(headers: Mapping[str, str]) -> float | None:
    said = headers.get("retry-after", "")
    return float(said) if said.isdecimal() else None


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_this_machine(parts.hostname or ""):
        return
    raise SpecError(f"{url!r} is no address of a data file", "write https://HOST/FILE")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
