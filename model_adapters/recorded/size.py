"""Which size the images of a folder must have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from harness.errors import NoResponseError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Size", "SizeRule"]

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


class SizeRule(NamedTuple):
    """The size that was asked for, else what most images have; none where any is accepted."""

    asked: Size | None
    """What the user asks for."""

    usual: Callable[[], Size | None]
    """What most images of the folder have; called only if nothing is asked for."""

    accept: frozenset[str]
    """Flaws that are accepted; see `FLAWS`."""

    what: str
    """What the folder holds, for the reason: `images` or `files`."""

    def wanted(self) -> Size | None:
        """The size that every image must have; `None` if any will do."""
        if "size" in self.accept:
            return None
        return self.asked or self.usual()

    def check(self, image: Image, name: str) -> None:
        """Check one image.

        Raises:
            NoResponseError: It has another size.
        """
        wanted = self.wanted()
        if wanted is None or image.size == wanted:
            return
        given = "asked for" if self.asked else f"what most {self.what} here have"
        raise NoResponseError(
            f"{name} has {image.width}x{image.height} pixels, not {wanted[0]}x{wanted[1]} ({given})"
        )
