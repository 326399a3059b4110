"""The networks of a pipeline by what they do, watching them, and a count of denoiser calls.

Hooks stand only while a call is watched, so nothing is left in a pipeline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from harness.components import ComponentWork
from harness.torch_support import Part, watch_parts

__all__ = [
    "count_rows",
    "denoisers",
    "networks",
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
    """Modules to watch and what they do; no two of them contain each other."""
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


def _parts(roles: Iterable[tuple[str, Any]]) -> dict[str, Part]:
    """Modules to watch by what they do; a second one of a role is `ROLE_2`.

    Example:
        >>> list(_parts([("text_encoder", None), ("vae", None), ("text_encoder", None)]))
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
    return watch_parts(_parts(_roles(pipeline)), device, count=count)


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
        for handle in handles:
            handle.remove()


def _rows(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Length of the batch: of the first input, a tensor or a list of pictures' tensors."""
    named = [kwargs[name] for name in ("sample", "hidden_states", "x") if name in kwargs]
    return len([*args, *named][0])
