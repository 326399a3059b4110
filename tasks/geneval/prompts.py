"""GenEval's prompts, drawn anew: the official 553 are what seed 43 gives.

The recipe is that of `prompts/create_prompts.py` of djghosh13/geneval at commit af4902f; no line
of its data is stored here. `python -m tasks.geneval.prompts --out FILE` writes the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SpecError
from tasks.judges.coco import GENEVAL_CLASSES

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "OFFICIAL_COUNT",
    "OFFICIAL_SEED",
    "OFFICIAL_SHA256",
    "as_line",
    "file_sha256",
    "generate_prompts",
    "main",
    "write_prompts",
]

OFFICIAL_SEED = 43
"""Seed of the official prompts."""

OFFICIAL_COUNT = 100
"""Prompts drawn for each skill but the first, before duplicates are dropped."""

OFFICIAL_SHA256 = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
"""SHA-256 of the official `evaluation_metadata.jsonl`."""

_COLORS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
)  # fmt: skip
_RELATIONS = ("left of", "right of", "above", "below")
_NUMBERS = ("zero", "one", "two", "three", "four")
_PERSON = GENEVAL_CLASSES.index("person")

Record = dict[str, Any]


def generate_prompts(seed: int = OFFICIAL_SEED, n: int = OFFICIAL_COUNT) -> list[Record]:
    """Draw the records of a whole prompt set, duplicates dropped.

    Skills are drawn one after another from one generator: each of the 80 classes once, then `n`
    records of each other skill. So a smaller set isn't the beginning of a larger one.

    Args:
        seed: Seed of `numpy.random.default_rng`.
        n: Records drawn for each skill but `single_object`; at least 1.

    Returns:
        Records in the order of the official file, keys in its order.

    Raises:
        SpecError: `n` is below 1, or the seed is negative.

    Example:
        >>> records = generate_prompts()
        >>> len(records), records[0]["prompt"]
        (553, 'a photo of a bench')
    """
    import numpy as np

    if n < 1 or seed < 0:
        raise SpecError(
            f"can't draw {n} prompts a skill with seed {seed}", "give n >= 1, seed >= 0"
        )
    rng = np.random.default_rng(seed)
    drawn = [*_single_object(rng)]
    for skill in (_two_object, _counting, _colors, _position, _color_attr):
        drawn += [skill(rng) for _ in range(n)]
    return list({as_line(record): record for record in drawn}.values())


def as_line(record: Mapping[str, Any]) -> str:
    r"""A record as a line of the official file, without its end.

    Example:
        >>> as_line({"tag": "colors", "prompt": "p"})
        '{"tag": "colors", "prompt": "p"}'
    """
    return json.dumps(record)


def write_prompts(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    """Write records as a JSON-lines file, atomically, and return its SHA-256.

    Raises:
        LedgerError: The file can't be written.
    """
    from harness.files import write_text

    text = "".join(f"{as_line(record)}\n" for record in records)
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(records: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of the file that `write_prompts` would write.

    Example:
        >>> file_sha256(generate_prompts()) == OFFICIAL_SHA256
        True
    """
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{as_line(record)}\n".encode())
    return digest.hexdigest()


def _single_object(rng: np.random.Generator) -> Iterator[Record]:
    for index in rng.choice(len(GENEVAL_CLASSES), size=len(GENEVAL_CLASSES), replace=False):
        name = GENEVAL_CLASSES[index]
        yield _record("single_object", [_clause(name)], _with_article(name))


def _two_object(rng: np.random.Generator) -> Record:
    a, b = _two_classes(rng)
    return _record(
        "two_object", [_clause(a), _clause(b)], f"{_with_article(a)} and {_with_article(b)}"
    )


def _counting(rng: np.random.Generator) -> Record:
    name = GENEVAL_CLASSES[rng.choice(len(GENEVAL_CLASSES))]
    count = int(rng.integers(2, 4, endpoint=True))
    plural = f"{name}es" if name.endswith("s") else f"{name}s"
    return _record(
        "counting",
        [_clause(name, count)],
        f"{_NUMBERS[count]} {plural}",
        exclude=[_clause(name, count + 1)],
    )


def _colors(rng: np.random.Generator) -> Record:
    name = _thing(rng.choice(len(GENEVAL_CLASSES) - 1))
    color = _COLORS[rng.choice(len(_COLORS))]
    return _record("colors", [_clause(name, color=color)], _with_article(f"{color} {name}"))


def _position(rng: np.random.Generator) -> Record:
    a, b = _two_classes(rng)
    relation = _RELATIONS[rng.choice(len(_RELATIONS))]
    return _record(
        "position",
        [_clause(b), _clause(a, position=[relation, 0])],
        f"{_with_article(a)} {relation} {_with_article(b)}",
    )


def _color_attr(rng: np.random.Generator) -> Record:
    a, b = (_thing(i) for i in rng.choice(len(GENEVAL_CLASSES) - 1, size=2, replace=False))
    first, second = (_COLORS[i] for i in rng.choice(len(_COLORS), size=2, replace=False))
    return _record(
        "color_attr",
        [_clause(a, color=first), _clause(b, color=second)],
        f"{_with_article(f'{first} {a}')} and {_with_article(f'{second} {b}')}",
    )


def _two_classes(rng: np.random.Generator) -> tuple[str, str]:
    a, b = rng.choice(len(GENEVAL_CLASSES), size=2, replace=False)
    return GENEVAL_CLASSES[a], GENEVAL_CLASSES[b]


def _thing(index: int) -> str:
    """A class that is no person: people have no colour of their own."""
    return GENEVAL_CLASSES[(index + 1 + _PERSON) % len(GENEVAL_CLASSES)]


def _clause(name: str, count: int = 1, **rules: Any) -> Record:
    return {"class": name, "count": count, **rules}


def _record(
    tag: str, include: list[Record], what: str, exclude: list[Record] | None = None
) -> Record:
    excluded = {} if exclude is None else {"exclude": exclude}
    return {"tag": tag, "include": include, **excluded, "prompt": f"a photo of {what}"}


def _with_article(text: str) -> str:
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a prompt file from the command line.

    Args:
        arguments: Command line without the program's name; `None` takes `sys.argv`.
    """
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m tasks.geneval.prompts", description="Write GenEval's prompts."
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON-lines file to write")
    parser.add_argument("--n", type=int, default=OFFICIAL_COUNT, help="prompts a skill (100)")
    parser.add_argument("--seed", type=int, default=OFFICIAL_SEED, help="seed (43)")
    given = parser.parse_args(arguments)
    records = generate_prompts(given.seed, given.n)
    sha256 = write_prompts(given.out, records)
    kind = "the official set" if sha256 == OFFICIAL_SHA256 else "not the official set"
    print(f"wrote {len(records)} prompts to {given.out}, sha256 {sha256} ({kind})")  # noqa: T201


if __name__ == "__main__":
    main()
