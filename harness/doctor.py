"""What works on this machine and what is missing, each with the way to get it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.cache import Cache
from harness.errors import AdapterError, DataError
from harness.registry import Registry, models, suites, task_families, tasks

__all__ = ["Finding", "State", "examine"]

_REQUIRED = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "pillow")
_EXTRAS = {
    "ocr": ("rapidocr", "reads text in pictures"),
    "diffusers": ("diffusers", "drives diffusers pipelines"),
    "mmdet": ("mmdet", "GenEval's original detector"),
    "ray": ("ray", "spreads a run over machines"),
    "lm-eval": ("lm_eval", "language benchmarks"),
    "datasets": ("datasets", "reads data sets of the hub by split"),
    "dev": ("pytest", "runs the tests"),
}
_SPARE_GB = 5.0


class State(StrEnum):
    """How a finding is to be read."""

    OK = "ok"
    """Works."""

    OPTIONAL = "optional"
    """Missing, and needed only for what the detail names."""

    WARNING = "warning"
    """Works, but may disappoint."""

    PROBLEM = "problem"
    """Must be mended."""


class Finding(NamedTuple):
    """One line of the examination."""

    state: State
    """How it stands."""

    subject: str
    """What was looked at."""

    detail: str
    """What was found, and the remedy where there is something to mend."""

    @property
    def is_problem(self) -> bool:
        """Whether it must be mended."""
        return self.state is State.PROBLEM


def examine(folder: Path = Path()) -> list[Finding]:
    """Look at packages, extras, device, disk, data cache and registries.

    Args:
        folder: Where runs would be written.
    """
    return [
        _python(),
        *(_package(name) for name in _REQUIRED),
        *(_extra(extra, *what) for extra, what in _EXTRAS.items()),
        *_device(),
        _disk(folder),
        _data_cache(),
        *_registered(tasks()),
        *_registered(task_families()),
        *_registered(models()),
        *_registered(suites()),
    ]


def _python() -> Finding:
    state = State.OK if sys.version_info >= (3, 11) else State.PROBLEM
    return Finding(state, "python", f"{platform.python_version()} on {platform.platform()}")


def _package(name: str) -> Finding:
    try:
        return Finding(State.OK, name, version(name))
    except PackageNotFoundError:
        return Finding(State.PROBLEM, name, "missing: pip install cheers-bench")


def _extra(extra: str, module: str, what: str) -> Finding:
    if find_spec(module) is not None:
        return Finding(State.OK, f"extra {extra}", what)
    return Finding(
        State.OPTIONAL, f"extra {extra}", f"missing ({what}): pip install 'cheers-bench[{extra}]'"
    )


def _device() -> Iterator[Finding]:
    if find_spec("torch") is None:
        return
    import torch

    yield Finding(State.OK, "threads", f"{torch.get_num_threads()} compute threads")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Finding(State.OK, "cuda", ", ".join(names))
    else:
        yield Finding(
            State.OPTIONAL, "cuda", "no GPU is visible: models run on the CPU; large ones need one"
        )


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    state = State.OK if free > _SPARE_GB else State.WARNING
    return Finding(state, "disk", f"{free:.0f} GB free for runs in {folder.resolve()}")


def _data_cache() -> Finding:
    cache = Cache()
    try:
        entries = cache.entries().values()
    except DataError as error:
        return Finding(State.PROBLEM, "data cache", f"{error.what}: {error.remedy}")
    size = sum(entry.size for entry in entries) / 1e9
    detail = (
        f"{len(entries)} in {cache.root}, {size:.1f} GB; `cheers-bench data verify` checks them"
    )
    return Finding(State.OK, "data cache", f"files: {detail}")


def _registered(registry: Registry[Any]) -> Iterator[Finding]:
    broken = 0
    for name in registry:
        try:
            registry.get(name)
        except AdapterError as error:
            broken += 1
            detail = f"{error.what}; from package {registry.origin(name)}: {error.remedy}"
            yield Finding(State.PROBLEM, f"{registry.kind} {name}", detail)
    works = len(registry.names()) - broken
    yield Finding(State.OK, registry.plural, f"{works} registered and importable")
