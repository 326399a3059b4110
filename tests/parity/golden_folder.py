"""A folder of golden tensors and settings, whichever model they are of, and where to compute."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

torch.set_num_threads(1)  # the model is tiny: threads of two processes only spin on each other
torch.backends.cudnn.allow_tf32 = False  # the tolerances are those of float32

DEVICE = os.environ.get("CHEERS_BENCH_DEVICE", "cpu")
"""Where ours is computed: `CHEERS_BENCH_DEVICE=cuda python -m pytest tests/parity` on a GPU."""


class GoldenFolder:
    """One golden folder. A tensor that it lacks skips the test that asks for it, by name."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.settings: dict[str, Any] = {}
        if (folder / "golden.safetensors").is_file():
            with safe_open(folder / "golden.safetensors", "pt") as reader:
                self.names = sorted(reader.keys())
            self.settings = json.loads((folder / settings).read_text(encoding="utf-8"))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            pytest.skip(f"{name} isn't in {self.folder}")
        with safe_open(self.folder / "golden.safetensors", "pt") as reader:
            tensor = reader.get_tensor(name)
        return tensor.to(DEVICE) if tensor.is_floating_point() else tensor
