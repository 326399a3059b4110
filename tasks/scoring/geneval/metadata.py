"""What a GenEval prompt asks of its image, checked when it is read."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from harness.errors import SpecError

__all__ = [
    "COLORS",
    "TAGS",
    "PositionRule",
    "PromptSpec",
    "Relation",
    "Requirement",
    "parse_prompt",
    "parse_prompt_lines",
]

Relation = Literal["left of", "right of", "above", "below"]

COLORS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
)  # fmt: skip
"""The ten colours of GenEval, in the order in which a failure lists them."""

TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
"""The six skills of GenEval, in the order of the official prompt file."""


class PositionRule(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where an object must be, relative to an earlier requirement's objects."""

    relation: Relation
    """The relation that every object must have to every target."""
    target: Annotated[int, msgspec.Meta(ge=0)]
    """Index, in the include list, of the earlier requirement that is the target."""


class Requirement(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One include or exclude clause."""

    class_name: str = msgspec.field(name="class")
    """The detector's class name."""
    count: Annotated[int, msgspec.Meta(ge=1)]
    """Include: at least so many. Exclude: fewer than so many."""
    color: str | None = None
    """The colour that at least `count` of the objects must have."""
    position: PositionRule | None = None
    """The position that all of the objects must have."""


class PromptSpec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One line of GenEval's metadata."""

    tag: str
    """The skill; `counting` is the one that uses the higher detection threshold."""
    include: tuple[Requirement, ...] = ()
    """Clauses that must all hold."""
    exclude: tuple[Requirement, ...] = ()
    """Clauses of which none may reach its count."""
    prompt: str
    """The text given to the image generator."""


def parse_prompt(
    metadata: Mapping[str, Any] | str | bytes,
    *,
    where: str = "metadata",
    classes: Collection[str] | None = None,
    colors: Collection[str] = COLORS,
) -> PromptSpec:
    """Read and check one prompt's metadata.

    The fields are those of djghosh13/geneval at commit af4902f
    (`prompts/evaluation_metadata.jsonl`). What the original would fail on in the middle of a run,
    or silently pass (a count of 0, a misspelt key), is refused here.

    Args:
        metadata: The record, or its JSON text.
        where: Place to name in an error, such as `prompts.jsonl, line 3`.
        classes: The detector's class names; any class is accepted when None.
        colors: The colour classifier's vocabulary.

    Returns:
        The checked record.

    Raises:
        SpecError: The JSON is broken, a field is missing, unknown or of the wrong type, a count
            is below 1, a class or colour is unknown, or a position's target isn't an earlier
            clause.

    Example:
        >>> spec = parse_prompt(
        ...     {"tag": "single_object", "include": [{"class": "cow", "count": 1}], "prompt": "p"}
        ... )
        >>> spec.include[0].class_name, spec.include[0].count
        ('cow', 1)
    """
    try:
        if isinstance(metadata, str | bytes):
            spec = msgspec.json.decode(metadata, type=PromptSpec)
        else:
            spec = msgspec.convert(metadata, PromptSpec)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{where}: not a GenEval record: {error}",
            "each record needs tag, prompt and include/exclude clauses with class and count >= 1",
        ) from error
    _check_names(spec, where, classes, colors)
    _check_targets(spec, where)
    return spec


def parse_prompt_lines(
    lines: Iterable[str],
    *,
    source: str = "metadata.jsonl",
    classes: Collection[str] | None = None,
    colors: Collection[str] = COLORS,
) -> Iterator[PromptSpec]:
    """Read a JSON-lines file of prompts, one record at a time; blank lines are skipped.

    The format is that of djghosh13/geneval at commit af4902f.

    Args:
        lines: The file's lines.
        source: The file's name, for errors.
        classes: As in `parse_prompt`.
        colors: As in `parse_prompt`.

    Yields:
        One checked record per line that isn't blank.

    Raises:
        SpecError: A line is malformed; the message gives its number, counted from 1.

    Example:
        >>> [s.tag for s in parse_prompt_lines(['{"tag": "counting", "prompt": "p"}', ''])]
        ['counting']
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield parse_prompt(
                line, where=f"{source}, line {number}", classes=classes, colors=colors
            )


def _check_names(
    spec: PromptSpec, where: str, classes: Collection[str] | None, colors: Collection[str]
) -> None:
    for clause in (*spec.include, *spec.exclude):
        if classes is not None:
            _check_known(clause.class_name, classes, f"{where}: unknown class")
        if clause.color is not None:
            _check_known(clause.color, colors, f"{where}: unknown color")


def _check_known(name: str, known: Collection[str], what: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(sorted(known))}"
    raise SpecError(f"{what} {name!r}", hint)


def _check_targets(spec: PromptSpec, where: str) -> None:
    for index, clause in enumerate(spec.include):
        if clause.position is not None and clause.position.target >= index:
            raise SpecError(
                f"{where}: include[{index}] is placed relative to include"
                f"[{clause.position.target}], which isn't an earlier clause",
                "list the target's clause before the clause that refers to it",
            )
    for index, clause in enumerate(spec.exclude):
        if clause.color is not None or clause.position is not None:
            raise SpecError(
                f"{where}: exclude[{index}] has a color or position, which is never checked",
                "exclude clauses take a class and a count only",
            )
