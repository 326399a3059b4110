"""Server-sent events: the data lines of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["events"]


def events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Data of each event, as the HTML standard's `text/event-stream` says.

    Lines end with LF, CR LF or CR; comments and other fields are left out; an event that the stream
    cuts off before its empty line still counts, since some servers end that way.

    Args:
        chunks: The body in any pieces.

    Example:
        >>> list(events([b": hi\n\nda", b"ta: 1\r\n\r\ndata: [DONE]\n\n"]))
        [b'1', b'[DONE]']
    """
    data: list[bytes] = []
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        rest += chunk
        # A CR at the end may be the first half of CR LF: it waits for what follows.
        whole, held = (rest[:-1], rest[-1:]) if rest.endswith(b"\r") else (rest, b"")
        *lines, rest = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from lines
        rest += held
    if rest:
        yield rest.rstrip(b"\r")
