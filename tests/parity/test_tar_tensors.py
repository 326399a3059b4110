"""Every tensor of Tar's golden file, compared with ours, one test per tensor."""

from __future__ import annotations

import re

import pytest
import torch

from tests.parity import tar_drawing, tar_language, tar_tokenizer
from tests.parity.cheers_golden import assert_close
from tests.parity.cheers_rules import Rule
from tests.parity.cheers_themes import comparable
from tests.parity.tar_golden import tar_golden

THEMES = [tar_tokenizer, tar_drawing, tar_language]
INPUTS = re.compile(r"ta\.(?:odd\.)?image_uint8|ta\.decode400\.indices|sampler\.logits")
"""Tensors that a case takes, not makes."""
DRAWN = re.compile(r".+_sampled_seed\d+")
"""Draws from torch's global generator on the machine that made them: nothing can repeat them."""


def rule_of(name: str) -> tuple[Rule, re.Match[str]] | None:
    found = (theme.rules.find(name) for theme in THEMES)
    return next((item for item in found if item is not None), None)


def is_compared(name: str) -> bool:
    return not INPUTS.fullmatch(name) and not DRAWN.fullmatch(name)


COMPARED = [name for name in tar_golden().names if is_compared(name)]


@pytest.mark.parametrize("name", COMPARED)
def test_tar_tensor(name: str) -> None:
    found = rule_of(name)
    assert found is not None, f"nothing here compares {name}; add a rule for it"
    rule, match = found
    with torch.no_grad():
        ours = rule.compute(tar_golden(), match)
    actual, expected = comparable(ours, tar_golden()[name], name)
    assert_close(name, actual, expected, ours.tolerance)


def test_tar_golden_is_present() -> None:
    if not tar_golden().names:
        pytest.skip(f"there is no golden.safetensors in {tar_golden().folder}")
    assert {name.split(".")[0] for name in COMPARED} == {"ta", "ar", "vq", "sampler", "llm"}


def test_sampled_codes_are_likely_ones() -> None:
    """The official draws can't be repeated, but they have the distribution that we state."""
    golden = tar_golden()
    names = [name for name in golden.names if "indices_sampled" in name]
    if not names:
        pytest.skip(f"no sampled indices in {golden.folder}")
    drawn, entropy = [], []
    for name in names:
        scale = int(name[len("ta.scale")]) - 1
        near = golden.ta_tok.similarity(tar_tokenizer.encoded(golden, scale).projected)
        chances = (near / golden.ta_tok.settings.temperature).softmax(-1)
        drawn.append(chances.gather(-1, golden.codes(name)[..., None]).log().flatten())
        entropy.append((chances * chances.log()).sum(-1).flatten())
    # The mean log-likelihood of draws is minus the entropy; a uniform draw would be far below.
    assert abs(float(torch.cat(drawn).mean() - torch.cat(entropy).mean())) < 0.3
