"""The training forward: losses, targets, velocities, gradients."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from model_adapters.cheers.training import TrainingImages, TrainingOutput, training_forward
from tests.parity.cheers_golden import ZERO, Golden
from tests.parity.cheers_rules import Expected, Rules

rules = Rules()
CASES = ["train_edit", "train_gen", "train_gen_cfg_dropped", "train_text", "train_und"]
CASE = r"(?P<case>train_\w+)"


class Trained(NamedTuple):
    """One training step."""

    output: TrainingOutput
    grads: dict[str, Tensor]


@cache
def trained(golden: Golden, case: str) -> Trained:
    model = golden.model
    images = TrainingImages(
        t=golden[f"{case}.t"],
        noise=golden[f"{case}.noise"],
        pixels=torch.stack(golden.images(case)),
    )
    mask = golden.get(f"{case}.attention_mask")
    ids, labels = golden[f"{case}.input_ids"], golden[f"{case}.labels"]
    with torch.enable_grad():
        model.zero_grad()
        output = training_forward(model, ids, labels, mask, images)
        output.loss.backward()  # type: ignore[no-untyped-call]
    grads = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    model.zero_grad()
    return Trained(output, grads)


@rules(CASE + r"\.(?P<part>loss|text_loss|image_loss)")
def losses(golden: Golden, match: re.Match[str]) -> Expected:
    ours: Tensor = getattr(trained(golden, match["case"]).output, match["part"])
    stated = golden.setting(match["case"]).get(match["part"])
    assert stated is None or abs(float(ours) - stated) <= 1e-4 * abs(stated)
    return Expected(ours)


@rules(CASE + r"\.image_target")
def image_target(golden: Golden, match: re.Match[str]) -> Expected:
    target = trained(golden, match["case"]).output.target
    return Expected(target.flatten(2).transpose(1, 2))


@rules(CASE + r"\.velocity_prediction")
def velocity_prediction(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(trained(golden, match["case"]).output.velocity)


@rules(CASE + r"\.text_logits_last")
def text_logits_last(golden: Golden, match: re.Match[str]) -> Expected:
    """Logits that predict the last id."""
    hidden = trained(golden, match["case"]).output.hidden
    return Expected(golden.model.lm_head(hidden[-1:, -2]))


@rules(CASE + r"\.grad\.(?P<parameter>.+)")
def gradient(golden: Golden, match: re.Match[str]) -> Expected:
    grads = trained(golden, match["case"]).grads
    expected = golden[match.string]
    ours = grads.get(match["parameter"], torch.zeros_like(expected))
    zero = "vision_representation" in match["parameter"] and "k_proj.bias" in match["parameter"]
    return Expected(ours, absolute=ZERO if zero else 0.0)


@rules(CASE + r"\.grad_norm")
def gradient_norm(golden: Golden, match: re.Match[str]) -> Expected:
    grads = trained(golden, match["case"]).grads
    trainable = [grad.norm() for name, grad in grads.items() if ".vae_model." not in name]
    return Expected(torch.stack(trainable).norm())


@rules(CASE + r"\.grad_norm\.embed_tokens")
def embedding_gradient_norm(golden: Golden, match: re.Match[str]) -> Expected:
    grads = trained(golden, match["case"]).grads
    return Expected(grads["model.language_model.embed_tokens.weight"].norm())
