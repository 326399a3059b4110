"""Reading one image that somebody else's program wrote, trusting nothing about it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import LedgerError, NoResponseError
from harness.media import parse_origin

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_PIXELS", "check_prompt", "picture_size", "read_picture"]

MAX_PIXELS = 64_000_000
"""Larger images are refused before they're decoded: a tiny file may claim any size."""

_PNG = b"\x89PNG\r\n\x1a\n"
_KINDS = {
    b"\xff\xd8\xff": "JPEG",
    b"RIFF": "WebP",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
}
_ORIENTATION = 0x0112
_MODES = ("RGB", "RGBA", "P", "L", "1")


def picture_size(start: bytes) -> tuple[int, int] | None:
    """Width and height from the first 24 bytes of a PNG; `None` if they aren't of one.

    Example:
        >>> picture_size(_PNG + bytes([0, 0, 0, 13]) + b"IHDR" + bytes([0, 0, 2, 0, 0, 0, 1, 0]))
        (512, 256)
    """
    if len(start) < 24 or start[:8] != _PNG or start[12:16] != b"IHDR":
        return None
    return int.from_bytes(start[16:20]), int.from_bytes(start[20:24])


def read_picture(path: Path, name: str, accept: frozenset[str]) -> Image:
    """Read an image file completely.

    Args:
        path: The file.
        name: What reasons call it: its path within its folder.
        accept: Flaws that are accepted; see `FLAWS`.

    Returns:
        An RGB image; its `info` is the file's.

    Raises:
        NoResponseError: It can't be used; the reason says why.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NoResponseError(f"{name} can't be read: {error.strerror}") from error
    _check_kind(data, name, accept)
    opened = _decoded(data, name)
    image = _upright(opened, name, accept)
    return _as_rgb(image, name)


def check_prompt(image: Image, prompt: str, name: str) -> None:
    """Check an image that one of our runs drew against the prompt it's to be judged by.

    Raises:
        NoResponseError: It was drawn for another prompt.
    """
    try:
        origin = parse_origin(image.info)
    except LedgerError as error:
        raise NoResponseError(f"{name} has a damaged text chunk: {error.what}") from error
    if origin is None or origin.prompt_sha256 == hashlib.sha256(prompt.encode()).hexdigest():
        return
    raise NoResponseError(
        f"{name} was drawn for another prompt (sample {origin.sample}#{origin.k} of task "
        f"{origin.task}), not for {prompt!r:.120}"
    )


def _check_kind(data: bytes, name: str, accept: frozenset[str]) -> None:
    if not data:
        raise NoResponseError(f"{name} is empty (0 bytes)")
    if data.startswith(_PNG):
        return
    kind = next((kind for start, kind in _KINDS.items() if data.startswith(start)), None)
    if kind in ("JPEG", "WebP") and "jpeg" in accept:
        return
    if kind is None:
        raise NoResponseError(f"{name} is no image: it begins with {data[:8]!r}")
    hint = " (accept=jpeg takes it nevertheless)" if kind in ("JPEG", "WebP") else ""
    raise NoResponseError(f"{name} holds {kind} data, not PNG{hint}")


def _decoded(data: bytes, name: str) -> Image:
    from PIL import Image as PILImage

    size = picture_size(data[:24])
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise NoResponseError(f"{name} claims {size[0]}x{size[1]} pixels, more than {MAX_PIXELS:,}")
    try:
        with PILImage.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise NoResponseError(f"{name} has more than {MAX_PIXELS:,} pixels")
            opened.verify()  # checks every chunk's CRC, and that the last one is there
        with PILImage.open(io.BytesIO(data)) as opened:
            opened.load()
            return opened
    except (OSError, SyntaxError, ValueError, PILImage.DecompressionBombError) as error:
        raise NoResponseError(f"{name} is truncated or damaged: {error}") from error


def _upright(image: Image, name: str, accept: frozenset[str]) -> Image:
    from PIL import ImageOps

    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation == 1:
        return image
    if "exif" not in accept:
        raise NoResponseError(
            f"{name} has EXIF orientation {orientation}, which some programs obey and others "
            "don't; save it upright (accept=exif turns it)"
        )
    turned = ImageOps.exif_transpose(image)
    turned.info.update({key: image.info[key] for key in image.info if key not in turned.info})
    return turned


def _as_rgb(image: Image, name: str) -> Image:
    if image.mode not in _MODES:
        raise NoResponseError(f"{name} has mode {image.mode}, which 8-bit RGB can't hold")
    if image.has_transparency_data and not _is_opaque(image):
        raise NoResponseError(
            f"{name} is transparent in places; nothing says over which background"
        )
    rgb = image.convert("RGB")
    rgb.info = dict(image.info)
    return rgb


def _is_opaque(image: Image) -> bool:
    counts = image.convert("RGBA").getchannel("A").histogram()
    return counts[255] == image.width * image.height
