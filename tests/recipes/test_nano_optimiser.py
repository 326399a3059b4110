"""Both rules learn, decay matrices only, and go on from their own states alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from recipes.nano.optimiser import Optimisers, Rule

RULES: list[Rule] = ["adamw", "muon"]


def _weights() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"embed.weight": (5, 4), "a.weight": (8, 4), "a.bias": (8,), "b.weight": (1, 8)}
    return {
        name: nn.Parameter(torch.randn(shape, generator=generator))
        for name, shape in shapes.items()
    }


def _loss(named: dict[str, nn.Parameter]) -> Tensor:
    hidden = torch.tanh(named["embed.weight"] @ named["a.weight"].T + named["a.bias"])
    return (hidden @ named["b.weight"].T - torch.arange(5.0)[:, None]).square().mean()


def _train(named: dict[str, nn.Parameter], optimisers: Optimisers, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimisers.zero_grad()
        loss = _loss(named)
        loss.backward()  # type: ignore[no-untyped-call]
        optimisers.set_rate(0.03)
        optimisers.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_lowers_the_loss(rule: Rule):
    named = _weights()
    losses = _train(named, Optimisers(named, rule, 0.0), 60)
    assert losses[-1] < losses[0] / 4
    assert sum(late < early for early, late in pairwise(losses)) > 40


@pytest.mark.parametrize("rule", RULES)
def test_a_stopped_training_goes_on_exactly(rule: Rule):
    whole, half = _weights(), _weights()
    expected = _train(whole, Optimisers(whole, rule, 0.1), 8)
    first = Optimisers(half, rule, 0.1)
    seen = _train(half, first, 3)
    second = Optimisers(half, rule, 0.1)
    second.load_state_dict(first.state_dict())
    assert seen + _train(half, second, 5) == expected
    assert all(torch.equal(whole[name], half[name]) for name in whole)


@pytest.mark.parametrize("rule", RULES)
def test_matrices_decay_and_vectors_do_not(rule: Rule):
    named = _weights()
    before = {name: p.detach().clone() for name, p in named.items()}
    optimisers = Optimisers(named, rule, 0.5)
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    optimisers.set_rate(0.1)
    optimisers.step()
    for name, parameter in named.items():
        share = 1.0 if name == "a.bias" else 0.95
        torch.testing.assert_close(parameter.detach(), before[name] * share)


def test_muon_updates_every_direction_of_a_matrix_alike():
    named = _weights()
    before = named["a.weight"].detach().clone()
    _train(named, Optimisers(named, "muon", 0.0), 1)
    update = torch.linalg.svdvals(named["a.weight"].detach() - before)
    gradient_of = _weights()
    _loss(gradient_of).backward()  # type: ignore[no-untyped-call]
    raw = torch.linalg.svdvals(gradient_of["a.weight"].grad)
    assert update.max() / update.min() < 2.5 < raw.max() / raw.min()


def test_a_state_of_another_rule_is_refused():
    named = _weights()
    state = Optimisers(named, "adamw", 0.0).state_dict()
    with pytest.raises(ValueError, match="adamw's, not muon's"):
        Optimisers(named, "muon", 0.0).load_state_dict(state)
