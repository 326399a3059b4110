"""Pictures on disk: safe file names, pixel hashes, atomic PNG files that say what they are."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import LedgerError
from harness.records import Record

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ImageOrigin",
    "decode_png",
    "encode_png",
    "image_file",
    "is_whole_png",
    "parse_origin",
    "pixel_hash",
    "read_origin",
    "read_png",
    "safe_name",
    "write_bytes",
    "write_png",
]

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?\Z")  # Windows device names
_CHUNK = "cheers-bench"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB\x60\x82"


class ImageOrigin(Record, frozen=True, kw_only=True):
    """Which request a picture answers; stored in the PNG's text chunk as JSON."""

    task: str
    """Task name."""

    sample: str
    """Sample id within the task."""

    k: int
    """Repeat index."""

    seed: int
    """Seed of the request."""

    model: str
    """Model name."""

    prompt_sha256: str
    """SHA-256 of the prompt's UTF-8 bytes."""


def safe_name(text: str) -> str:
    """File name for any text: no path, no reserved name, no two texts with one name.

    Lower-case plain names stay as they are. Anything else becomes a readable stem, `~`, and 20
    hexadecimal digits of the text's hash; `~` never occurs in a plain name, and upper case isn't
    plain because some file systems ignore case.

    Example:
        >>> safe_name("two_objects-017")
        'two_objects-017'
        >>> safe_name("../../etc/passwd")
        'etc-passwd~3754d6cb3a38e1185e5b'
    """
    if _PLAIN.match(text) and not _RESERVED.match(text) and not text.endswith("."):
        return text
    stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
    return f"{stem}~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"


def image_file(task: str, sample_id: str, k: int) -> str:
    """Path of a picture relative to the run folder, always with forward slashes.

    Example:
        >>> image_file("shapes-geneval", "count-3", 1)
        'images/shapes-geneval/count-3_1.png'
    """
    return f"images/{safe_name(task)}/{safe_name(sample_id)}_{k}.png"


def pixel_hash(image: Image) -> str:
    """SHA-256 of the RGB pixels, row by row, prefixed by `WIDTHxHEIGHT:`.

    Args:
        image: A picture of any mode; hashed as RGB, 8 bits per channel.

    Example:
        >>> from PIL import Image
        >>> pixel_hash(Image.new("RGB", (2, 1), "red"))[:14]
        '2x1:1cf3d97018'
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return f"{rgb.width}x{rgb.height}:{hashlib.sha256(rgb.tobytes()).hexdigest()}"


def write_bytes(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a file so that readers and crashes see the old content or the new, never a part.

    Args:
        path: Target; its folder exists.
        data: Whole content.
        durable: Also survive a power cut (`fsync`); a killed process needs none.

    Raises:
        OSError: The disk is full or the folder can't be written; the old content is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_png(path: Path, image: Image, origin: ImageOrigin) -> str:
    """Write `image` atomically as an RGB PNG that names its origin.

    Returns:
        The pixel hash of what was written.

    Raises:
        OSError: As `write_bytes`.
    """
    data, sha256 = encode_png(image, origin)
    write_bytes(path, data, durable=False)
    return sha256


def encode_png(image: Image, origin: ImageOrigin) -> tuple[bytes, str]:
    """`image` as the bytes of an RGB PNG that names its origin, and its pixel hash."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(_CHUNK, msgspec.json.encode(origin).decode())
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    buffer = io.BytesIO()
    rgb.save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue(), pixel_hash(rgb)


def is_whole_png(path: Path) -> bool:
    """Whether the file exists, starts as a PNG and has its last chunk; reads 20 bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_PNG_START))
            file.seek(-len(_PNG_END), os.SEEK_END)
            return start == _PNG_START and file.read() == _PNG_END
    except OSError:
        return False


def read_png(path: Path, expected_hash: str | None) -> Image:
    """Read a picture and check that it's the one that was written.

    Returns:
        An RGB picture, fully loaded; the file is closed.

    Raises:
        LedgerError: The file is missing, truncated, or holds other pixels.
    """
    return _checked(path, path, expected_hash)


def decode_png(data: bytes, path: Path, expected_hash: str | None) -> Image:
    """As `read_png`, of the bytes that were read from `path` elsewhere."""
    return _checked(io.BytesIO(data), path, expected_hash)


def _checked(source: Path | io.BytesIO, path: Path, expected_hash: str | None) -> Image:
    from PIL import Image

    remedy = "continue the run with its `cheers-bench run` command: it draws the picture again"
    try:
        with Image.open(source) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise LedgerError(f"picture {path} can't be read: {error}", remedy) from error
    if expected_hash is not None and pixel_hash(image) != expected_hash:
        raise LedgerError(f"picture {path} isn't the one that the model drew", remedy)
    return image


def parse_origin(info: Mapping[Any, Any]) -> ImageOrigin | None:
    """Which request a picture answers, from its text chunks; `None` if it isn't of a run.

    Args:
        info: `Image.info` of an opened PNG.

    Raises:
        LedgerError: There is such a chunk, but it can't be read.
    """
    text = info.get(_CHUNK)
    if text is None:
        return None
    try:
        return msgspec.json.decode(str(text), type=ImageOrigin)
    except msgspec.MsgspecError as error:
        raise LedgerError(
            f"the text chunk {_CHUNK!r} can't be read: {error}", "export the picture anew"
        ) from error


def read_origin(path: Path) -> ImageOrigin:
    """Read from a PNG which request it answers.

    Raises:
        LedgerError: The file isn't a PNG of a run.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            origin = parse_origin(opened.info)
    except (OSError, LedgerError) as error:
        raise _no_origin(path, error) from error
    if origin is None:
        raise _no_origin(path, f"it has no text chunk {_CHUNK!r}")
    return origin


def _no_origin(path: Path, why: object) -> LedgerError:
    return LedgerError(
        f"{path} doesn't say which request it answers: {why}", "give a picture of a run"
    )
