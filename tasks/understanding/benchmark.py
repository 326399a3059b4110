"""What a benchmark is, said once: data, prompts, categories. The rest follows from its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.records import DataFile

__all__ = ["Benchmark", "Style"]


class Style(NamedTuple):
    """One way of asking a benchmark's questions."""

    template: str
    """Name of the template; see `tasks.understanding.prompts`."""

    max_new_tokens: int = 1024
    """Length of an answer at most."""

    keeps_markers: bool = True
    """Whether `<image 1>` stays in the text; else it only says where the picture stands among the
    others."""


class Benchmark(NamedTuple):
    """A benchmark whose questions are the rows of a table."""

    name: str
    """Registry name of its task."""

    summary: str
    """One sentence."""

    files: tuple[DataFile, ...]
    """Its data files; the first is the default."""

    citation: str
    """Reference to cite."""

    styles: Mapping[str, Style]
    """Ways of asking, by name; the first is the default."""

    levels: tuple[str, ...] = ()
    """Columns with categories; the first is the category that runs are compared by."""

    columns: tuple[str, ...] = ("index", "question", "answer")
    """Columns that a file must have."""

    skips_rows_without_picture: bool = False
    """Whether rows without a picture are left out, as the original does."""

    version: int = 1
    """Raised when scores change."""
