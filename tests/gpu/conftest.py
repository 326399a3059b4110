"""What only a GPU can show. `make test-gpu` runs it; elsewhere each test says what it lacks."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def gpu() -> str:
    if not torch.cuda.is_available():
        pytest.skip("no GPU is visible: run `make test-gpu` on a machine with CUDA")
    return "cuda"
