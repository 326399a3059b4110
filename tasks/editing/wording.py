"""What a judge is asked: the benchmark's own words from a file, or this project's.

The benchmarks' prompts for their judges aren't part of this package. Whoever has their file names
it; its hash stands in the protocol. Without it the judge is asked in other words, and the protocol
says so: such scores don't compare with published ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.data.hashing import hash_file
from harness.data.hub import locate
from harness.errors import DataError
from harness.records import digest

__all__ = ["OWN_GEDIT", "OWN_IMGEDIT", "Wording", "own_wording", "read_wording"]

OWN_IMGEDIT = (
    "The first picture was to be edited into the second by this instruction: <edit_prompt>\n"
    "Grade three things from 1 (bad) to 5 (perfect): was the instruction carried out, does the "
    "edit look seamless, and was everything else left as it was?\n"
    "Write exactly three lines:\nInstruction: N\nQuality: N\nPreservation: N"
)
"""Asked about every type of edit."""

OWN_GEDIT = {
    "SC": (
        "The first picture was to be edited into the second by this instruction: <instruction>\n"
        "Grade from 0 (not at all) to 10 (perfectly): was the instruction carried out, and was "
        'nothing else changed? Write only JSON: {"score": [carried_out, unchanged]}'
    ),
    "PQ": (
        "Grade this picture from 0 (not at all) to 10 (perfectly): does it look natural, and is it "
        'free of artefacts? Write only JSON: {"score": [natural, clean]}'
    ),
}
"""Asked about meaning, with both pictures, and about quality, with the edited one."""


class Wording(NamedTuple):
    """What a judge is asked, by what it's asked about."""

    texts: Mapping[str, str]
    """Texts by type of edit, or by kind of grade."""
    identity: str
    """`own wording` with its digest, or the file's SHA-256."""
    fallback: str = ""
    """Text for what has none of its own; empty if that's an error."""

    def text(self, kind: str) -> str:
        """The text for one kind.

        Raises:
            DataError: The file has none.
        """
        found = self.texts.get(kind, self.fallback)
        if not found:
            raise DataError(
                f"the judge's prompts have none for {kind!r}",
                "add it to the file; it has: " + ", ".join(self.texts),
            )
        return found


def own_wording(texts: Mapping[str, str], fallback: str = "") -> Wording:
    """This project's texts, named as such."""
    return Wording(texts, f"own wording {digest([texts, fallback])}", fallback)


def read_wording(location: str, own: Wording, needs: Sequence[str], place: str) -> Wording:
    """The judge's prompts of a JSON file, or this project's.

    Args:
        location: A file that maps kinds to texts; empty takes `own`.
        own: This project's.
        needs: Kinds that the file must have.
        place: What stands in a text for the instruction.

    Raises:
        DataError: The file can't be read, lacks a kind, or no text of it has a place for the
            instruction.
    """
    if not location:
        return own
    path = locate(location, "file of the judge's prompts")
    texts = _read(path)
    for kind in needs:
        if kind not in texts:
            raise DataError(f"{path} has no prompt {kind!r}", "give the benchmark's own file")
    if not any(place in text for text in texts.values()):
        raise DataError(
            f"no prompt of {path} has a place {place} for the instruction",
            "give the benchmark's own file",
        )
    return Wording(texts, hash_file(path))


def _read(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} can't be read as a JSON object of texts: {error}",
            "give the benchmark's own file of prompts",
        ) from error
