"""AR-DTok step by step and freely, the VQVAE, and what top-k and top-p leave."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from model_adapters.tar.ar_dtok import Guidance
from model_adapters.tar.images import to_image
from model_adapters.tar.presets import Sampling
from model_adapters.tar.sampling import filtered
from tests.parity.cheers_rules import Expected, Rules
from tests.parity.tar_golden import TarGolden

rules = Rules()
CASE = r"(?P<case>ar\.scale(?P<pool>\d)\.cfg(?P<cfg>\d+)(?:_interval(?P<interval>\d+))?)"
LIKELIEST = Sampling(temperature=0.0)


class Run(NamedTuple):
    """A free run from features to codes."""

    codes: Tensor
    combined: Tensor
    """Logits that each code was chosen from (N, L, vocabulary)."""
    conditional: Tensor | None
    unconditional: Tensor | None


@cache
def run(golden: TarGolden, pool: str, scale: float, interval: int) -> Run:
    steps: list[tuple[Tensor, Tensor | None, Tensor | None]] = []
    features = golden[f"ta.scale{pool}.features_from_indices"]
    codes = golden.ar_dtok.generate(
        features,
        [0] * len(features),
        Guidance(scale=scale, interval=interval),
        LIKELIEST,
        lambda _, *logits: steps.append(logits),
    )
    combined, *parts = zip(*steps, strict=True)
    rest = [None if part[0] is None else torch.stack(part, dim=1) for part in parts]
    return Run(codes, torch.stack(combined, dim=1), *rest)


def run_of(golden: TarGolden, match: re.Match[str]) -> Run:
    return run(golden, match["pool"], float(match["cfg"]), int(match["interval"] or -1))


@rules(CASE + r"\.codes")
def codes(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(run_of(golden, match).codes)


@rules(CASE + r"\.logits(?P<part>_cond|_uncond)?")
def logits(golden: TarGolden, match: re.Match[str]) -> Expected:
    found = run_of(golden, match)
    parts = {None: found.combined, "_cond": found.conditional, "_uncond": found.unconditional}
    ours = parts[match["part"]]
    assert ours is not None
    return Expected(ours)


@rules(CASE + r"\.image_float")
def image_float(golden: TarGolden, match: re.Match[str]) -> Expected:
    """The golden file has it brought to [0, 1], not clamped."""
    return Expected(golden.vqvae.decode(golden.codes(f"{match['case']}.codes")) * 0.5 + 0.5)


@rules(CASE + r"\.image_uint8")
def image_uint8(golden: TarGolden, match: re.Match[str]) -> Expected:
    """Truncation makes a step of one of rounding: none may be larger."""
    return eight_bits(golden, run_of(golden, match).codes, match.string)


def eight_bits(golden: TarGolden, codes: Tensor, name: str) -> Expected:
    """The golden image itself if ours is within one grey level of it, else ours."""
    images = [to_image(image) for image in golden.vqvae.decode(codes)]
    ours = torch.stack(
        [torch.frombuffer(bytearray(i.tobytes()), dtype=torch.uint8) for i in images]
    )
    expected = golden[name]
    ours = ours.reshape(expected.shape)
    near = (ours.int() - expected.int()).abs().max() <= 1
    return Expected(expected if near else ours)


@rules(r"ar\.scale(?P<pool>\d)\.teacher_forced_logits")
def teacher_forced(golden: TarGolden, match: re.Match[str]) -> Expected:
    stem = f"scale{match['pool']}"
    features = golden[f"ta.{stem}.features_from_indices"]
    codes = golden.codes(f"ar.{stem}.cfg1.codes")
    return Expected(golden.ar_dtok.teacher_forced(features, codes))


@rules(r"vq\.quantized")
def looked_up(golden: TarGolden, match: re.Match[str]) -> Expected:
    return Expected(golden.vqvae.quantized(golden.codes("ar.scale1.cfg1.codes")))


@rules(r"sampler\.topk(?P<k>\d+)_topp(?P<p>[\d.]+)")
def left_over(golden: TarGolden, match: re.Match[str]) -> Expected:
    ours = filtered(golden["sampler.logits"], int(match["k"]), float(match["p"]))
    out = golden[match.string].isinf()
    assert torch.equal(ours.isinf(), out)
    return Expected(ours, where=~out)
