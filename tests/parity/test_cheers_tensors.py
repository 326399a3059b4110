"""Every tensor of the golden file, compared with ours, one test per tensor."""

from __future__ import annotations

import pytest
import torch

from tests.parity.cheers_golden import assert_close, golden
from tests.parity.cheers_themes import THEMES, comparable, is_input, rule_of

COMPARED = [name for name in golden().names if not is_input(name)]
CASES = sorted(case for theme in THEMES for case in theme.CASES)


@pytest.mark.parametrize("name", COMPARED)
def test_cheers_tensor(name: str) -> None:
    found = rule_of(name)
    assert found is not None, f"nothing here compares {name}; add a rule for it"
    rule, match = found
    with torch.no_grad():
        ours = rule.compute(golden(), match)
    actual, expected = comparable(ours, golden()[name], name)
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
