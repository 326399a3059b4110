"""Toy runs over a fleet in this process, whose workers fail on demand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from harness import environment
from harness.engines import replica, session
from harness.records import Identity
from harness.registry import tasks
from harness.run import EngineSettings, execute
from tests.engines.inline import Inline
from tests.harness import toys
from tests.harness.conftest import _registered_toys, run, spec

__all__ = ["_registered_toys", "run", "spec"]


class JudgedPictures(toys.ToyPictures):
    """Pictures that a judge looks at."""

    metadata = toys.metadata("toy-judged", *toys.ToyPictures.metadata.requires)
    prepared = 0

    def judge(self) -> Identity:
        return Identity(id="toy-judge", version="1")

    def prepare(self) -> None:
        type(self).prepared += 1


@pytest.fixture(autouse=True)
def _registered_judged(_registered_toys: None) -> None:
    tasks().add("toy-judged", JudgedPictures)
    JudgedPictures.prepared = 0


@pytest.fixture(autouse=True)
def _captured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inline workers share this process, whose software needn't be described for each of them."""
    once = cache(environment.capture)
    for module in (session, replica):
        monkeypatch.setattr(module, "capture", once)


@pytest.fixture
def spread(spec: Callable[..., Any]) -> Callable[..., Any]:
    """Execute a spec over an inline fleet."""

    def go(*names: str, inline: Inline, **fields: Any) -> Any:
        settings = fields.pop("settings", EngineSettings())
        progress = fields.pop("progress", None)
        wanted = spec(*names, **fields)
        return execute(wanted, settings=settings, progress=progress, engine=inline)

    return go
