"""A stored response as the adapter gave it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.media import read_png
from harness.records import Response, StoredResponse

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["restore", "with_image"]


def restore(folder: Path, stored: StoredResponse) -> Response:
    """A response as it was, with its picture read back.

    Args:
        folder: Run folder, for the picture.
        stored: What the ledger has.

    Raises:
        LedgerError: The picture is gone or spoilt.
    """
    image = None
    if stored.image_path is not None:
        image = read_png(folder / stored.image_path, stored.image_sha256)
    return with_image(stored, image)


def with_image(stored: StoredResponse, image: Image | None) -> Response:
    """A response as it was, with its picture, if it has one, from elsewhere."""
    return Response(
        text=stored.text,
        image=image,
        loglikelihoods=stored.loglikelihoods,
        is_greedy=stored.is_greedy,
        finish_reason=stored.finish_reason,
        usage=stored.usage,
        timing=stored.timing,
    )
