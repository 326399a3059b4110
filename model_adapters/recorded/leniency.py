"""Which flaws of stored images a user accepts; by default none."""

from __future__ import annotations

from harness.errors import SpecError
from harness.names import suggest

__all__ = ["FLAWS", "read_flaws"]

FLAWS = {
    "exif": "images whose EXIF data ask to turn them; they're turned",
    "jpeg": "JPEG and WebP files, which aren't what the model drew to the last bit",
    "size": "images of another size than most",
    "unlabelled": "folders without metadata.jsonl, whose prompts can't be checked",
}
"""Names of flaws, and what accepting them means."""


def read_flaws(text: str) -> frozenset[str]:
    """Names of accepted flaws from `jpeg,exif`.

    Raises:
        SpecError: A name isn't known.

    Example:
        >>> sorted(read_flaws("jpeg, exif"))
        ['exif', 'jpeg']
    """
    names = frozenset(filter(None, (part.strip() for part in text.split(","))))
    for name in sorted(names - set(FLAWS)):
        raise SpecError(
            f"model 'recorded': accept={text!r} names an unknown flaw {name!r}",
            suggest(name, FLAWS) or "flaws: " + ", ".join(FLAWS),
        )
    return names
