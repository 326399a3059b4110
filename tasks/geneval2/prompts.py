"""GenEval 2's prompts with their atoms, from the JSON-lines file of its repository."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from harness.errors import DataError

__all__ = ["Atom2", "Prompt2", "file_sha256", "read_prompts"]


class Atom2(msgspec.Struct, frozen=True):
    """One question of a prompt."""

    question: str
    """The question."""
    answer: str
    """What a right image answers."""
    skill: str
    """What it asks about."""


class Prompt2(msgspec.Struct, frozen=True):
    """One prompt."""

    text: str
    """The prompt."""
    atom_count: int
    """How compositional it is: objects, attributes, relations and verbs in it."""
    atoms: tuple[Atom2, ...]
    """Its questions."""


class _Row(msgspec.Struct, frozen=True):
    prompt: str
    atom_count: int
    vqa_list: list[tuple[str, str]]
    skills: list[str]


def read_prompts(path: Path) -> list[Prompt2]:
    """Read the prompt file: one object a line with prompt, atom_count, vqa_list and skills.

    Raises:
        DataError: The file isn't there, or a line is malformed; the message names it.
    """
    return [
        _prompt(line, f"{path}, line {number}")
        for number, line in enumerate(_bytes(path).splitlines(), 1)
        if line.strip()
    ]


def file_sha256(path: Path) -> str:
    """SHA-256 of the prompt file.

    Raises:
        DataError: It isn't there.
    """
    return hashlib.sha256(_bytes(path)).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"GenEval 2's prompt file {path} can't be read: {error.strerror}", "check the path"
        ) from error


def _prompt(line: bytes, where: str) -> Prompt2:
    try:
        row = msgspec.json.decode(line, type=_Row)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: {error}", "restore geneval2_data.jsonl") from error
    if not row.vqa_list or len(row.vqa_list) != len(row.skills):
        raise DataError(
            f"{where}: {len(row.vqa_list)} questions with {len(row.skills)} skills",
            "restore geneval2_data.jsonl",
        )
    atoms = zip(row.vqa_list, row.skills, strict=True)
    return Prompt2(row.prompt, row.atom_count, tuple(Atom2(q, a, s) for (q, a), s in atoms))
