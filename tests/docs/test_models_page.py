"""docs/models.md names every argument of the adapters, every check, and every model."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from harness.conformance import CHECKS
from harness.registry import models

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^|`]+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["hf-vlm", "diffusers", "openai"])
def test_every_argument_is_explained(name: str):
    assert first_cells(section(name)) == list(inspect.signature(models().get(name)).parameters)


@pytest.mark.parametrize(
    ("name", "argument", "shown"),
    [
        ("openai", "attempts", "6"),
        ("openai", "timeout_s", "300"),
        ("hf-vlm", "dtype", "`auto`"),
        ("diffusers", "batching", "`auto`"),
    ],
)
def test_defaults_are_those_of_the_code(name: str, argument: str, shown: str):
    default = inspect.signature(models().get(name)).parameters[argument].default
    assert f"| `{argument}` | {shown} |" in section(name)
    assert default in (shown.strip("`"), float(shown) if shown.isdigit() else None)


def test_every_check_is_explained():
    assert first_cells(section("Is an adapter sound?")) == [check.name for check in CHECKS]


def test_every_registered_model_is_listed():
    ours = [name for name in models().names() if models().origin(name) == "cheers-bench"]
    assert [name for name in ours if f"`{name}`" not in PAGE] == []
