"""Why an image isn't what its prompt asked for: for programs and for readers."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Failure", "FailureKind", "Judgement"]

FailureKind = Literal["missing", "color", "position", "no_target", "excess"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One clause that doesn't hold."""

    kind: FailureKind
    """`missing`: too few objects. `color`, `position`: enough objects, but not so. `no_target`:
    the object to be placed against failed its own clause. `excess`: too many objects."""
    class_name: str
    """The clause's class."""
    count: int
    """The clause's count."""
    found: int
    """Objects found; for `color` those of the right colour, for `position` those looked at."""
    expected: str = ""
    """The colour or relation asked for, where there is one."""
    seen: tuple[tuple[str, int], ...] = ()
    """For `color`: each colour seen, and how often, in the order of the colour list."""
    relations: tuple[str, ...] = ()
    """For `position`: the relations that the first offending pair does have."""

    @property
    def message(self) -> str:
        """The failure in the words of the original's `reason` (geneval at commit af4902f)."""
        name = self.class_name
        match self.kind:
            case "missing":
                return f"expected {name}>={self.count}, found {self.found}"
            case "excess":
                return f"expected {name}<{self.count}, found {self.found}"
            case "no_target":
                return f"no target for {name} to be {self.expected}"
            case "position":
                seen = " and ".join(self.relations)
                return f"expected {name} {self.expected} target, found {seen} target"
            case "color":
                seen = ", ".join(f"{number} {color}" for color, number in self.seen)
                wanted = f"expected {self.expected} {name}>={self.count}"
                return f"{wanted}, found {self.found} {self.expected}; and {seen}"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the scorer says of one image."""

    failures: tuple[Failure, ...]
    """Clauses that don't hold, in the order of the metadata; empty if the image is right."""

    @property
    def correct(self) -> bool:
        """Whether every clause holds."""
        return not self.failures

    @property
    def reason(self) -> str:
        """All failures, one a line, in the original's words; empty if the image is right."""
        return "\n".join(failure.message for failure in self.failures)
