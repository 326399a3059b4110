"""Whether an image shows what its prompt asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy.typing as npt

from tasks.scoring.geneval.failures import Failure, FailureKind, Judgement
from tasks.scoring.geneval.filtering import (
    DEFAULT_OPTIONS,
    Detection,
    FilterOptions,
    select_detections,
)
from tasks.scoring.geneval.geometry import relative_position
from tasks.scoring.geneval.metadata import COLORS, PositionRule, PromptSpec, Requirement

__all__ = ["ColorClassifier", "evaluate", "evaluate_detections"]

ColorClassifier = Callable[[str, Sequence[Detection]], Sequence[str]]
"""Gives the colour of each detection of a class; asked only when a clause names a colour."""


def evaluate_detections(
    spec: PromptSpec,
    detections: Mapping[str, npt.ArrayLike],
    classify_colors: ColorClassifier,
    *,
    options: FilterOptions = DEFAULT_OPTIONS,
    colors: Sequence[str] = COLORS,
) -> Judgement:
    """Judge one image from a detector's raw output: `select_detections`, then `evaluate`.

    As `evaluate_image` of djghosh13/geneval at commit af4902f.

    Args:
        spec: What the prompt asks for.
        detections: Class name to (n, 5) rows of x0, y0, x1, y1, score.
        classify_colors: Called with a class name and its best detections.
        options: Thresholds.
        colors: The classifier's vocabulary, in the order in which a failure lists it.

    Returns:
        The judgement.

    Raises:
        ValueError: The detections are malformed, or the classifier breaks its contract.

    Example:
        >>> from tasks.scoring.geneval import parse_prompt
        >>> spec = parse_prompt(
        ...     {
        ...         "tag": "colors",
        ...         "include": [{"class": "cow", "count": 1, "color": "red"}],
        ...         "prompt": "a photo of a red cow",
        ...     }
        ... )
        >>> cows = {"cow": [[0, 0, 9, 9, 0.8]]}
        >>> evaluate_detections(spec, cows, lambda name, found: ["red"] * len(found)).correct
        True
        >>> evaluate_detections(spec, cows, lambda name, found: ["blue"] * len(found)).reason
        'expected red cow>=1, found 0 red; and 1 blue'
    """
    selected = select_detections(detections, spec.tag, options)
    return evaluate(
        spec,
        selected,
        classify_colors,
        position_threshold=options.position_threshold,
        colors=colors,
    )


def evaluate(
    spec: PromptSpec,
    objects: Mapping[str, Sequence[Detection]],
    classify_colors: ColorClassifier,
    *,
    position_threshold: float = 0.1,
    colors: Sequence[str] = COLORS,
) -> Judgement:
    """Judge one image from the detections that count.

    As `evaluate` of djghosh13/geneval at commit af4902f: every include clause looks at the best
    `count` objects of its class only, its position is checked only if its colour is right, and an
    object is placed against all objects of its target clause.

    Args:
        spec: What the prompt asks for.
        objects: Class name to detections, best first.
        classify_colors: Called with a class name and its best detections, once for each clause
            that names a colour and finds enough objects.
        position_threshold: See `relative_position`.
        colors: The classifier's vocabulary, in the order in which a failure lists it.

    Returns:
        The judgement.

    Raises:
        ValueError: The classifier gives another number of colours than it was given objects, or a
            colour outside its vocabulary.

    Example:
        >>> from tasks.scoring.geneval import parse_prompt
        >>> spec = parse_prompt(
        ...     {"tag": "counting", "include": [{"class": "cow", "count": 2}], "prompt": "p"}
        ... )
        >>> evaluate(spec, {}, lambda name, found: []).reason
        'expected cow>=2, found 0'
    """
    failures: list[Failure] = []
    groups: list[Sequence[Detection] | None] = []
    for clause in spec.include:
        found = objects.get(clause.class_name, ())[: clause.count]
        failure = (
            _missing(clause, found)
            or _wrong_color(clause, found, classify_colors, colors)
            or _wrong_position(clause, found, groups, position_threshold)
        )
        groups.append(found if failure is None else None)
        if failure is not None:
            failures.append(failure)
    excesses = (_excess(clause, objects) for clause in spec.exclude)
    failures.extend(excess for excess in excesses if excess is not None)
    return Judgement(failures=tuple(failures))


def _missing(clause: Requirement, found: Sequence[Detection]) -> Failure | None:
    if len(found) >= clause.count:
        return None
    return Failure(
        kind="missing", class_name=clause.class_name, count=clause.count, found=len(found)
    )


def _excess(clause: Requirement, objects: Mapping[str, Sequence[Detection]]) -> Failure | None:
    found = len(objects.get(clause.class_name, ()))
    if found < clause.count:
        return None
    return Failure(kind="excess", class_name=clause.class_name, count=clause.count, found=found)


def _wrong_color(
    clause: Requirement,
    found: Sequence[Detection],
    classify_colors: ColorClassifier,
    vocabulary: Sequence[str],
) -> Failure | None:
    if clause.color is None:
        return None
    seen = list(classify_colors(clause.class_name, found))
    _check_colors(clause.class_name, seen, len(found), vocabulary)
    if seen.count(clause.color) >= clause.count:
        return None
    return Failure(
        kind="color",
        class_name=clause.class_name,
        count=clause.count,
        found=seen.count(clause.color),
        expected=clause.color,
        seen=tuple((color, seen.count(color)) for color in vocabulary if color in seen),
    )


def _check_colors(
    class_name: str, seen: Sequence[str], expected: int, vocabulary: Sequence[str]
) -> None:
    if len(seen) != expected:
        raise ValueError(
            f"the color classifier gave {len(seen)} colors for {expected} objects of {class_name!r}"
        )
    unknown = sorted(set(seen) - set(vocabulary))
    if unknown:
        raise ValueError(f"the color classifier gave colors outside its vocabulary: {unknown}")


def _wrong_position(
    clause: Requirement,
    found: Sequence[Detection],
    groups: Sequence[Sequence[Detection] | None],
    position_threshold: float,
) -> Failure | None:
    if clause.position is None:
        return None
    rule = clause.position
    targets = groups[rule.target]
    if targets is None:
        return _position_failure("no_target", clause, rule, found)
    for item in found:
        for target in targets:
            relations = relative_position(
                item.box, target.box, position_threshold=position_threshold
            )
            if rule.relation not in relations:
                return _position_failure("position", clause, rule, found, relations)
    return None


def _position_failure(
    kind: FailureKind,
    clause: Requirement,
    rule: PositionRule,
    found: Sequence[Detection],
    relations: tuple[str, ...] = (),
) -> Failure:
    return Failure(
        kind=kind,
        class_name=clause.class_name,
        count=clause.count,
        found=len(found),
        expected=rule.relation,
        relations=relations,
    )
