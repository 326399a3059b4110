"""The golden folder of Tar: tensors, settings, and the parts that are compared with them."""

from __future__ import annotations

import json
import os
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from model_adapters.tar.ar_dtok import ArDTok, load_ar_dtok
from model_adapters.tar.language import Language, load_language
from model_adapters.tar.ta_tok import TaTok, load_ta_tok
from model_adapters.tar.vqvae import VqDecoder, load_vqvae

torch.set_num_threads(1)  # the model is tiny: threads of two processes only spin on each other
torch.backends.cudnn.allow_tf32 = False  # the tolerances are those of float32

DEFAULT_FOLDER = Path(__file__).resolve().parents[1] / "golden"
DEVICE = os.environ.get("CHEERS_BENCH_DEVICE", "cpu")
"""Where ours is computed: `CHEERS_BENCH_DEVICE=cuda python -m pytest tests/parity` on a GPU."""


class TarGolden:
    """One golden folder. A tensor that it lacks skips the test that asks for it, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.config: dict[str, Any] = {}
        if (folder / "golden.safetensors").is_file():
            with safe_open(folder / "golden.safetensors", "pt") as reader:
                self.names = sorted(reader.keys())
            self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            pytest.skip(f"{name} isn't in {self.folder}")
        with safe_open(self.folder / "golden.safetensors", "pt") as reader:
            tensor = reader.get_tensor(name)
        return tensor.to(DEVICE) if tensor.is_floating_point() else tensor

    def setting(self, *path: str) -> Any:
        found: Any = self.config
        for key in path:
            if key not in found:
                pytest.skip(f"config.json in {self.folder} has no {'.'.join(path)}")
            found = found[key]
        return found

    def codes(self, name: str) -> Tensor:
        return self[name].long().to(DEVICE)

    @cached_property
    def ta_tok(self) -> TaTok:
        return load_ta_tok(self.folder / self.setting("ta_tok", "file")).to(DEVICE)

    @cached_property
    def ar_dtok(self) -> ArDTok:
        return load_ar_dtok(self.folder / self.setting("ar_dtok", "file"), "float32").to(DEVICE)

    @cached_property
    def vqvae(self) -> VqDecoder:
        return load_vqvae(self.folder / self.setting("vqvae", "file")).to(DEVICE)

    @cached_property
    def language(self) -> Language:
        folder = self.folder / self.setting("llm", "dir")
        return load_language(folder, "float32", DEVICE, self.ta_tok.codebook_size)


@cache
def tar_golden() -> TarGolden:
    folder = os.environ.get("CHEERS_BENCH_GOLDEN")
    return TarGolden((Path(folder) if folder else DEFAULT_FOLDER) / "tar_tiny")
