"""The page on scorers: its examples run, and it names everything there is."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import get_args

import pytest

from tasks.scoring.choice import EXTRACTORS
from tasks.scoring.mathvista import MathVistaVariant
from tasks.scoring.mmmu import OpenVariant
from tasks.scoring.ocr import ANLSVariant, OCRBenchVariant
from tasks.scoring.vqa import RelaxedVariant

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scorers.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_examples_run_one_after_the_other() -> None:
    example = doctest.DocTestParser().get_doctest("\n".join(BLOCKS), {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) >= 20
    said: list[str] = []
    results = doctest.DocTestRunner().run(example, out=said.append)
    assert results.failed == 0, "".join(said)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_each_policy_has_a_row(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    "variants", [OpenVariant, ANLSVariant, OCRBenchVariant, RelaxedVariant, MathVistaVariant]
)
def test_each_variant_has_a_row(variants: object) -> None:
    for name in get_args(variants):
        assert re.search(rf"^\| `{name}` \|", TEXT, re.MULTILINE), name
