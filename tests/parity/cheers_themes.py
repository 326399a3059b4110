"""All rules together, and which tensors are inputs."""

from __future__ import annotations

import re

from torch import Tensor

from tests.parity import (
    cheers_bfloat16,
    cheers_images,
    cheers_modules,
    cheers_text,
    cheers_training,
)
from tests.parity.cheers_golden import golden
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


def comparable(ours: Expected, theirs: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Our value and theirs where they may be compared."""
    actual, theirs = ours.actual.detach().cpu(), theirs.cpu()
    assert actual.shape == theirs.shape, f"{name}: {actual.shape} is not {theirs.shape}"
    if ours.where is None:
        return actual, theirs
    where = ours.where.cpu()
    return actual[where], theirs[where]
