"""Rules: which tensor of the golden file is compared with what of ours.

A rule is a function for tensor names that match a pattern. It computes our value; the test
compares it with the golden one. Every name must have a rule, or be an input by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from tests.parity.cheers_golden import STEPWISE, Golden


class Expected(NamedTuple):
    """Our value of one golden tensor, where it may be compared, and how closely."""

    actual: Tensor
    tolerance: float = STEPWISE
    where: Tensor | None = None
    """Positions to compare, a bool mask over the leading dimensions; None for all."""
    absolute: float = 0.0
    """An absolute difference that is always allowed."""


Compute = Callable[[Golden, re.Match[str]], Expected]


class Rule(NamedTuple):
    """A pattern of names, and what to compare them with."""

    pattern: re.Pattern[str]
    compute: Compute


class Rules:
    """A list of rules, filled by decorators."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def __call__(self, pattern: str) -> Callable[[Compute], Compute]:
        def keep(compute: Compute) -> Compute:
            self.rules.append(Rule(re.compile(pattern), compute))
            return compute

        return keep

    def find(self, name: str) -> tuple[Rule, re.Match[str]] | None:
        for rule in self.rules:
            match = rule.pattern.fullmatch(name)
            if match:
                return rule, match
        return None
