"""The clock, and a context for measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.task import ProbeContext
from tests.probes.clockwork import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def context(tmp_path: Path) -> ProbeContext:
    return ProbeContext(seed=0, limit=None, batch_size=None, folder=tmp_path)
