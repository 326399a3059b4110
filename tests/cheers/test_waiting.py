"""The steps of a drawing never wait for the device.

Here "the device" is torch's meta device: reading a value there is an error, and what is copied to
it from the CPU, for which a GPU's queue would be waited for, can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.sampler import ImageSettings, Step, draw
from model_adapters.cheers.session import Session
from model_adapters.cheers.solvers import SOLVERS
from tests.cheers.conftest import small_config

META = torch.device("meta")


class Copies(TorchDispatchMode):
    """Counts operations that read on the CPU and write on the device, by step."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0
        self.seen: list[tuple[int, str]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        results = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        if any(t.device != META for t in tensors) and any(t.device == META for t in results):
            self.seen.append((self.step, str(func)))
        return found


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    """`torch.tensor` of Python's numbers copies too, and asks no dispatcher."""
    found, real = Copies(), torch.tensor

    def tensor(data: Any, **given: Any) -> Tensor:
        if given.get("device") == META:
            found.seen.append((found.step, "tensor"))
        return real(data, **given)

    monkeypatch.setattr(torch, "tensor", tensor)
    return found


def session_at(model: CheersModel, lengths: Sequence[int]) -> Session:
    """Rows whose prompts, of these lengths, have been read."""
    cache = model.model.language_model.new_cache(len(lengths), max(lengths))
    cache.commit(lengths)
    last = torch.empty(len(lengths), model.config.text_config.hidden_size, device=META)
    return Session(model, cache, last, guided=True)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("lengths", [[9, 9, 9, 9], [9, 7, 5, 5]], ids=["alike", "apart"])
def test_no_step_waits_for_the_device(copies: Copies, solver: Any, lengths: list[int]) -> None:
    with META:
        model = CheersModel(small_config()).eval()
    session = session_at(model, lengths)
    side = model.config.latent_grid
    latents = torch.empty(2, model.config.latent_channels, side, side, device=META)
    settings = ImageSettings(steps=4, cfg_scale=3.0, solver=solver)

    def note(step: Step) -> None:
        copies.step = step.number + 1

    with copies:
        draw(session, latents, settings.times(editing=False), settings, note, last=True)
    assert copies.step > 3
    # Lengths that differ are copied once, before the first pass.
    assert [step for step, _ in copies.seen] == [0] * (len(set(lengths)) > 1)


def test_a_copy_would_be_seen(copies: Copies) -> None:
    with copies:
        torch.tensor([1, 2], device=META)
        torch.ones(2).to(META)
        torch.ones(2, device=META) + 1
    assert len(copies.seen) == 2
