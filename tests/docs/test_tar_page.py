"""docs/tar.md names every argument, preset and module of Tar's adapter as they are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from model_adapters.tar.adapter import TarAdapter
from model_adapters.tar.presets import PRESETS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tar.md").read_text()
PARAMETERS = inspect.signature(TarAdapter).parameters


def rows(title: str, table: int = 0) -> list[list[str]]:
    """Cells of a section's table, without its head."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)[table]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in found.splitlines()[2:]]


def test_every_argument_is_explained():
    assert [row[0].strip("`") for row in rows("Arguments")] == list(PARAMETERS)


@pytest.mark.parametrize("row", rows("Arguments"), ids=lambda row: row[0])
def test_defaults_are_those_of_the_code(row: list[str]):
    default = PARAMETERS[row[0].strip("`")].default
    if default is None:
        assert row[1] in ("newest", "the preset's", "the pipeline's")
    else:
        assert row[1].strip("`") == str(default)


def test_presets_are_those_of_the_code():
    table = rows("Arguments", 1)
    assert [row[0].strip("`") for row in table] == list(PRESETS)
    for name, codes, preprocessing, _, resolution in table:
        preset = PRESETS[name.strip("`")]
        assert (codes, preprocessing) == (preset.image_tokens, preset.preprocess)
        assert resolution == str(preset.resolution or "whichever is there")
        assert preset.cfg_scale == 4


def test_every_module_is_named():
    names = {
        path.name
        for path in (ROOT / "model_adapters" / "tar").glob("*.py")
        if path.name != "__init__.py"
    }
    assert {name for row in rows("The modules") for name in re.findall(r"`(.+?)`", row[0])} == names
