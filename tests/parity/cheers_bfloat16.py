"""bfloat16, loosely: the time is rounded first, and a first step and logits stay near."""

from __future__ import annotations

import re

import torch

from model_adapters.cheers.sampler import evaluate
from model_adapters.cheers.session import open_session
from tests.parity.cheers_golden import BFLOAT16, Golden
from tests.parity.cheers_images import image_settings
from tests.parity.cheers_rules import Expected, Rules

rules = Rules()
CASES = ["bf16"]


@rules(r"bf16\.time\.t")
def rounded_time(golden: Golden, match: re.Match[str]) -> Expected:
    before = golden["bf16.time.t_before_rounding"]
    return Expected(before.to(torch.bfloat16).float())


@rules(r"bf16\.time\.(?P<stage>text|vision)")
def time_embedding(golden: Golden, match: re.Match[str]) -> Expected:
    before = golden["bf16.time.t_before_rounding"]
    text, vision = golden.bfloat16_model.model.time_embed(before)
    return Expected((text if match["stage"] == "text" else vision).float(), 1e-2)


@rules(r"bf16\.t2i\.drift_step0")
def first_step(golden: Golden, match: re.Match[str]) -> Expected:
    """The conditional velocity at the noise of the guided case."""
    settings = image_settings(golden, "t2i_cfg")
    model = golden.bfloat16_model
    session = open_session(model, golden.prompts("t2i_cfg"))
    noise = golden["t2i_cfg.noise"].to(model.dtype)
    t = float(golden["t2i_cfg.t"][0])
    return Expected(evaluate(session, noise, t, settings)[0].float(), BFLOAT16)


@rules(r"bf16\.(?P<case>(?:und|text)_\w+)\.logits_last")
def last_logits(golden: Golden, match: re.Match[str]) -> Expected:
    session = open_session(golden.bfloat16_model, golden.prompts(match["case"]))
    return Expected(session.logits(), BFLOAT16)
