"""The golden folder of Tar: tensors, settings, and the parts that are compared with them."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import pytest
from torch import Tensor

from model_adapters.tar.ar_dtok import ArDTok, load_ar_dtok
from model_adapters.tar.language import Language, load_language
from model_adapters.tar.ta_tok import TaTok, load_ta_tok
from model_adapters.tar.vqvae import VqDecoder, load_vqvae
from tests.parity.golden_folder import DEVICE, GoldenFolder
from tests.parity.places import golden_root


class TarGolden(GoldenFolder):
    """The golden folder of Tar."""

    def setting(self, *path: str) -> Any:
        found: Any = self.settings
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
    return TarGolden(golden_root() / "tar_tiny", "config.json")
