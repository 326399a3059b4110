"""The networks of a pipeline by what they do, a stop-watch on them, and a count of denoiser calls.

Hooks stand only while a call is watched, so nothing is left in a pipeline.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from harness.components import ComponentWork
from harness.torch_support import Part, wait_for, watch_parts

__all__ = [
    "count_rows",
    "denoisers",
    "networks",
    "parts",
    "time_components",
    "time_modules",
    "watch_components",
]

_DENOISERS = ("unet", "transformer", "transformer_2", "prior", "denoiser")


def networks(pipeline: Any) -> dict[str, Any]:
    """Every network of a pipeline by its name there."""
    from torch import nn

    parts = sorted(pipeline.components.items())
    return {name: part for name, part in parts if isinstance(part, nn.Module)}


def denoisers(pipeline: Any) -> list[Any]:
    """The networks that are called at every step."""
    found = networks(pipeline)
    return [found[name] for name in _DENOISERS if name in found]


def _roles(pipeline: Any) -> Iterator[tuple[str, Any]]:
    """Modules to time and what they do; no two of them contain each other."""
    for name, part in networks(pipeline).items():
        if name.startswith("text_encoder"):
            yield "text_encoder", part
        elif name in _DENOISERS:
            yield "denoiser", part
        elif name == "safety_checker":
            yield "safety_checker", part
        elif name == "vae":  # encode and decode are no calls of the module itself
            for inner in ("encoder", "decoder"):
                if hasattr(part, inner):
                    yield f"vae_{inner.removesuffix('r')}", getattr(part, inner)


def parts(roles: Iterable[tuple[str, Any]]) -> dict[str, Part]:
    """Modules to watch by what they do; a second one of a role is `ROLE_2`.

    Example:
        >>> list(parts([("text_encoder", None), ("vae", None), ("text_encoder", None)]))
        ['text_encoder', 'vae', 'text_encoder_2']
    """
    found: dict[str, Part] = {}
    seen: Counter[str] = Counter()
    for role, module in roles:
        seen[role] += 1
        found[role if seen[role] == 1 else f"{role}_{seen[role]}"] = Part(module)
    return found


def watch_components(
    pipeline: Any, device: str, *, count: bool
) -> AbstractContextManager[Mapping[str, ComponentWork]]:
    """Time, or operations and bytes, of text encoders, denoiser, and both halves of the VAE."""
    return watch_parts(parts(_roles(pipeline)), device, count=count)


def time_components(pipeline: Any, device: str) -> AbstractContextManager[Mapping[str, float]]:
    """Seconds in text encoders, denoiser, and both halves of the VAE while the block runs."""
    return time_modules(_roles(pipeline), device)


@contextmanager
def time_modules(roles: Iterable[tuple[str, Any]], device: str) -> Iterator[Mapping[str, float]]:
    """Seconds in modules while the block runs.

    On a GPU the device is waited for at each boundary, which costs a little speed.

    Args:
        roles: What to call the time of a module, and the module; none contains another.
        device: Where they are.
    """
    seconds: dict[str, float] = {}
    handles: list[Any] = []
    for role, module in roles:
        seconds[role] = 0.0
        handles += _watch(module, role, seconds, device)
    try:
        yield seconds
    finally:
        _remove(handles)


def _watch(module: Any, role: str, seconds: dict[str, float], device: str) -> list[Any]:
    started: list[float] = []

    def before(*_: object) -> None:
        wait_for(device)
        started.append(time.perf_counter())

    def after(*_: object) -> None:
        wait_for(device)
        seconds[role] += time.perf_counter() - started.pop()

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]


@contextmanager
def count_rows(pipeline: Any) -> Iterator[list[int]]:
    """Rows that the denoiser sees in each of its calls while the block runs.

    Guidance is either a second row in one call, or a second call; both are counted.
    """
    rows: list[int] = []

    def note(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows.append(_rows(args, kwargs))

    handles = [
        module.register_forward_pre_hook(note, with_kwargs=True) for module in denoisers(pipeline)
    ]
    try:
        yield rows
    finally:
        _remove(handles)


def _rows(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Length of the batch: of the first input, a tensor or a list of pictures' tensors."""
    named = [kwargs[name] for name in ("sample", "hidden_states", "x") if name in kwargs]
    return len([*args, *named][0])


def _remove(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
