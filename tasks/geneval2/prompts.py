"""GenEval 2's prompts with their atoms, from the JSON-lines file of its repository."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import DataError

__all__ = ["OFFICIAL_SHA256", "Atom2", "Prompt2", "read_prompts"]

OFFICIAL_SHA256 = "09233adbc9f877fba205f1a20efa4a8640e7e62a91dfd55893562bed8a928e43"
"""SHA-256 of `geneval2_data.jsonl` of facebookresearch/GenEval2 at commit a6e82d2: 800 prompts with
6,012 atoms."""


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
        DataError: The file can't be read or is empty, or a line is malformed; the message names
            it.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}", "check the path") from error
    prompts = [
        _prompt(line, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not prompts:
        raise DataError(f"{path} has no prompts", "restore geneval2_data.jsonl")
    return prompts


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
    if not all(answer.strip() for _, answer in row.vqa_list):
        raise DataError(f"{where}: a question has no answer", "restore geneval2_data.jsonl")
    atoms = zip(row.vqa_list, row.skills, strict=True)
    return Prompt2(row.prompt, row.atom_count, tuple(Atom2(q, a, s) for (q, a), s in atoms))
