"""Solvers against flows whose ends are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from model_adapters.cheers.generation import edit_image, generate_image, image_noise
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings, Step
from model_adapters.cheers.schedule import schedule
from model_adapters.cheers.solvers import SOLVERS, Solver, integrate, knots, nfe_per_branch
from tests.cheers.conftest import SPECIAL

SECOND: tuple[Solver, ...] = ("heun", "midpoint", "ab2")


def error(solver: Solver, steps: int, alpha: float) -> float:
    """How far the end of dz/dt = cos(3t) - z lies from the exact one, z(0) = 2."""
    times = knots(solver, steps, alpha)
    found = integrate(
        solver,
        lambda z, t: math.cos(3 * t) - z,
        torch.tensor([2.0], dtype=torch.float64),
        times.double(),
    )
    exact = (math.cos(3) + 3 * math.sin(3)) / 10 + (2 - 0.1) * math.exp(-1)
    return abs(float(found) - exact)


@pytest.mark.parametrize("solver", SECOND)
@pytest.mark.parametrize("alpha", [1.0, 0.5, 2.0])
def test_twice_the_steps_quarter_the_error(solver: Solver, alpha: float) -> None:
    order = math.log2(error(solver, 64, alpha) / error(solver, 128, alpha))
    assert order == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("solver", SECOND)
def test_a_flow_that_is_linear_in_time_is_exact(solver: Solver) -> None:
    """Second order means that z(t) = t + t*t is met; ab2 from its second step on."""
    start = 0.3
    times = torch.tensor([start, 0.4, 0.45, 0.8, 1.0], dtype=torch.float64)
    z = torch.tensor([start + start**2], dtype=torch.float64)
    found = integrate(solver, lambda z, t: torch.full_like(z, 1 + 2 * t), z, times)
    first = (times[1] - times[0]) ** 2 if solver == "ab2" else 0.0  # what Euler's first step lacks
    assert float(found) == pytest.approx(2.0 - float(first), abs=1e-12)


def test_euler_is_the_official_loop() -> None:
    times = knots("euler", 7, 0.5)
    assert torch.equal(times, schedule(7, 0.5))
    z = torch.tensor([1.0])
    for t, end in pairwise([*times.tolist(), None]):
        size = 1 / 7 if end is None else end - t
        z = z + (t - z) * size
    found = integrate("euler", lambda z, t: t - z, torch.tensor([1.0]), times)
    torch.testing.assert_close(found, z)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("start", [0.0, 0.1])
def test_evaluations_are_counted(solver: Solver, start: float) -> None:
    asked: list[float] = []

    def velocity(z: Tensor, t: float) -> Tensor:
        asked.append(t)
        return z

    times = knots(solver, 10, 0.5, start)
    integrate(solver, velocity, torch.zeros(1), times)
    assert len(asked) == nfe_per_branch(solver, times)
    assert asked[0] == times[0]
    assert 0 <= min(asked) <= max(asked) <= 1


@pytest.mark.parametrize("solver", SECOND)
def test_a_picture_of_many_steps_is_the_same_whatever_the_solver(
    model: CheersModel, solver: Solver
) -> None:
    prompt, noise = Prompt([5, 6, 7, SPECIAL.im_start]), [image_noise(model.config, 0)]

    def latents(solver: Solver, steps: int) -> Tensor:
        settings = ImageSettings(steps=steps, cfg_scale=1.5, alpha=1.0, solver=solver)
        return generate_image(model, [prompt], noise, settings)[0].latents

    exact = latents("midpoint", 96)
    coarse, fine = ((latents(solver, n) - exact).norm() / exact.norm() for n in (6, 24))
    assert fine < 0.35 * coarse


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_callback_sees_every_evaluation(
    model: CheersModel, solver: Solver, scale: float, pixels: Callable[[int], Tensor]
) -> None:
    steps: list[Step] = []
    settings = ImageSettings(steps=4, cfg_scale=scale, solver=solver, heat_maps=True)
    image = [SPECIAL.im_start, SPECIAL.image_token_index, SPECIAL.im_end]
    prompt = Prompt([5, *image, 7, SPECIAL.im_start], (pixels(0),))
    (found,) = edit_image(
        model, [prompt], [image_noise(model.config, 0)], settings, callback=steps.append
    )
    evaluations = settings.nfe(editing=True) // (2 if scale != 1 else 1)
    assert [step.number for step in steps] == list(range(evaluations))
    assert {step.total for step in steps} == {evaluations}
    assert found.heat_maps is not None
    assert len(found.heat_maps) == evaluations


def test_too_few_steps() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        knots("heun", 1, 1.0, 0.5)
