"""The components of the model by name, and a stop-watch on them for probes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from model_adapters.cheers.model import CheersModel

COMPONENTS = {
    "vae_encode": "vae_model.encoder",
    "vae_decode": "vae_model.decoder",
    "decoder_projector": "vae_decoder_projector",
    "tower": "vision_representation",
    "und_projector": "und_projector",
    "llm": "language_model",
    "time_embed": "time_embed",
    "gen_projector": "gen_projector",
    "hi_gate": "hi_gate",
    "hi_projector": "hi_projector",
}
"""Where each component lives below `CheersModel.model`; no two of them contain each other."""


@dataclass
class ComponentTimes:
    """Seconds and calls per component."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0.0))
    """Wall-clock seconds spent inside each component."""
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0))
    """How often each component ran."""

    def shares(self) -> dict[str, float]:
        """Each component's share of the time of all, in [0, 1]; zeros where nothing ran."""
        total = sum(self.seconds.values())
        return {name: value / total if total else 0.0 for name, value in self.seconds.items()}


@contextmanager
def time_components(model: CheersModel) -> Iterator[ComponentTimes]:
    """Time every component while the block runs.

    On a GPU the device is waited for at each boundary, which costs a little speed; without this
    context nothing is installed and nothing is lost.

    Example:
        with time_components(model) as times:
            generate_text(model, prompts, Decoding())
        print(times.shares())
    """
    times = ComponentTimes()
    handles = []
    for name, path in COMPONENTS.items():
        handles += _watch(model.model.get_submodule(path), name, times, model)
    try:
        yield times
    finally:
        for handle in handles:
            handle.remove()


def _watch(module: nn.Module, name: str, times: ComponentTimes, model: CheersModel) -> list[Any]:
    """Install the stop-watch of one component."""
    started: list[float] = []

    def before(*_: object) -> None:
        _wait(model)
        started.append(time.perf_counter())

    def after(*_: object) -> None:
        _wait(model)
        times.seconds[name] += time.perf_counter() - started.pop()
        times.calls[name] += 1

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]


def _wait(model: CheersModel) -> None:
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
