"""Engines that read what they are told, or break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.records import Identity
from tasks.judges.ocr import Reading, TextBox


def line(text: str, y: float = 0.0, confidence: float = 1.0) -> tuple[TextBox, ...]:
    return (TextBox(text=text, confidence=confidence, box=(0.0, y, 10.0, y + 5)),)


def reading(*texts: str) -> Reading:
    return Reading(lines=tuple(line(text, 10.0 * n) for n, text in enumerate(texts)))


class FakeEngine:
    """Reads by a rule, picture by picture."""

    def __init__(self, rule: Callable[[Any], Reading]) -> None:
        self.rule = rule
        self.batches: list[int] = []

    def identity(self) -> Identity:
        return Identity(id="fake", version="1")

    def read(self, images: Sequence[Any]) -> list[Reading]:
        self.batches.append(len(images))
        return [self.rule(image) for image in images]
