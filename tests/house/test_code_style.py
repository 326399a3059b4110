"""Small functions: half of them under ten lines, none that needs scrolling."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "tasks", "model_adapters", "recipes")


class Function(NamedTuple):
    name: str
    lines: int


def _length(node: ast.FunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def _functions(text: str, where: str = "") -> Iterator[Function]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield Function(f"{where}:{node.lineno} {node.name}", _length(node))


def _package(name: str) -> list[Function]:
    files = sorted((ROOT / name).rglob("*.py"))
    return [f for p in files for f in _functions(p.read_text(), str(p.relative_to(ROOT)))]


@pytest.mark.parametrize("package", PACKAGES)
def test_half_of_the_functions_are_under_ten_lines(package: str):
    assert statistics.median(f.lines for f in _package(package)) < 10


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_needs_scrolling(package: str):
    assert [f for f in _package(package) if f.lines > 50] == []


def test_lengths_are_counted_without_docstrings():
    text = 'def f():\n    """One.\n\n    Two."""\n    a = 1\n    return a\n'
    assert [f.lines for f in _functions(text)] == [2]
