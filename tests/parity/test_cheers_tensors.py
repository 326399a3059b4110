"""Every tensor of the golden file, compared with ours, one test per tensor."""

from __future__ import annotations

import re

import pytest
import torch

from tests.parity import (
    cheers_bfloat16,
    cheers_images,
    cheers_modules,
    cheers_text,
    cheers_training,
)
from tests.parity.cheers_golden import assert_close, golden
from tests.parity.cheers_rules import Expected, Rule

THEMES = [cheers_bfloat16, cheers_modules, cheers_text, cheers_images, cheers_training]

INPUTS = re.compile(
    r".+\.source_u8"
    r"|.+\.noise"
    r"|.+\.input_ids|.+\.labels|.+\.attention_mask"
    r"|(?:heads|eps)\.\w+\.(?:input|low|high)"
    r"|time\.t|train_\w+\.t"
    r"|bf16\.time\.t_before_rounding"
)
"""Tensors that a case takes, not makes: what they lead to is compared."""

DUMMY_SOURCE = "dummy.source_u8"
"""Without it `dummy.pixel_values` is an input: its noise was drawn by an unseeded generator."""


def is_input(name: str) -> bool:
    if INPUTS.fullmatch(name):
        return True
    return name == "dummy.pixel_values" and DUMMY_SOURCE not in golden()


def rule_of(name: str) -> tuple[Rule, re.Match[str]] | None:
    found = (theme.rules.find(name) for theme in THEMES)
    return next((item for item in found if item is not None), None)


COMPARED = [name for name in golden().names if not is_input(name)]
CASES = sorted(case for theme in THEMES for case in theme.CASES)


@pytest.mark.parametrize("name", COMPARED)
def test_cheers_tensor(name: str) -> None:
    found = rule_of(name)
    assert found is not None, f"nothing here compares {name}; add a rule for it"
    rule, match = found
    with torch.no_grad():
        ours = rule.compute(golden(), match)
    compare(name, ours)


def compare(name: str, ours: Expected) -> None:
    expected, actual = golden()[name], ours.actual.detach()
    assert actual.shape == expected.shape, f"{name}: {actual.shape} is not {expected.shape}"
    if ours.where is not None:
        actual, expected = actual[ours.where], expected[ours.where]
    if ours.absolute and float((actual - expected).abs().max()) <= ours.absolute:
        return
    assert_close(name, actual, expected, ours.tolerance)


@pytest.mark.parametrize("case", CASES)
def test_cheers_case_is_present(case: str) -> None:
    mine = [name for name in golden().names if name.split(".")[0] == case]
    if not mine:
        pytest.skip(f"the case {case} isn't in {golden().folder}")
    assert any(not is_input(name) for name in mine) or case == "dummy"


def test_cheers_every_tensor_has_a_rule() -> None:
    if not golden().names:
        pytest.skip(f"there is no golden.safetensors in {golden().folder}")
    orphans = [name for name in COMPARED if rule_of(name) is None]
    assert not orphans, f"no rule compares {orphans}"


def test_cheers_inputs_are_read_by_some_rule() -> None:
    """An exception is only named for what belongs to a case that is compared."""
    compared = {name.split(".")[0] for name in COMPARED}
    stray = [name for name in golden().names if name.split(".")[0] not in {*compared, "dummy"}]
    assert not stray, f"{stray} belong to no compared case"
