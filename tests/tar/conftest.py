"""Adapters over the golden folder, or over a changed copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model_adapters.tar.adapter import TarAdapter

torch.set_num_threads(1)  # the model is tiny: threads of two processes only spin on each other

TINY = Path(__file__).parents[1] / "golden" / "tar_tiny"


@pytest.fixture(scope="module")
def build() -> Callable[..., TarAdapter]:
    """Build an adapter over the golden folder; those without a change of their own are shared."""
    made: dict[Any, TarAdapter] = {}

    def adapter(path: Path = TINY, **options: Any) -> TarAdapter:
        key = (path, repr(sorted(options.items())))
        if path != TINY or key not in made:
            made[key] = TarAdapter(str(path), device="cpu", **options)
        return made[key]

    return adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "tar"))
