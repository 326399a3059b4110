"""At the released sizes, on the meta device, the modules have the released numbers of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import SiglipVisionConfig

from model_adapters.tar.ar_dtok import ArDTok
from model_adapters.tar.config import TEACHERS, ArSettings, TaTokSettings
from model_adapters.tar.detokenizers import side
from model_adapters.tar.ta_tok import TaTok
from model_adapters.tar.towers import CodeTower, ImageTower
from model_adapters.tar.vqvae import VqDecoder

TEACHER = TEACHERS["google/siglip2-so400m-patch14-384"]


def millions(*modules: nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def tower(layers: int, heads: int, mlp: int, patch: int) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=384,
        patch_size=patch,
    )


def test_ta_tok():
    settings = TaTokSettings(teacher=TEACHER, l2_normalized=True, temperature=0.03)
    with torch.device("meta"):
        model = TaTok(
            ImageTower(tower(27, 16, 4304, 14)),
            CodeTower(tower(3, 12, 3072, 1), 1536, 256),
            (65536, 1536),
            settings,
        )
    assert millions(model) == pytest.approx(591.0, abs=0.05)
    assert millions(model.encoder) == pytest.approx(428.2, abs=0.05)
    assert millions(model.bottleneck) == pytest.approx(107.2, abs=0.05)
    assert millions(model.decoder) == pytest.approx(51.7, abs=0.05)
    tasks = millions(model.encode_task_layer, model.decode_task_layer)
    assert tasks == pytest.approx(4.0, abs=0.05)
    assert (model.image_size, model.patches, model.width) == (384, 729, 1152)
    assert [model.tokens(scale) for scale in range(3)] == [729, 169, 81]


@pytest.mark.parametrize(("codes", "pixels"), [(256, 256), (1024, 512), (4096, 1024)])
def test_ar_dtok_and_vqvae(codes: int, pixels: int):
    sizes = {
        "layers": 30,
        "dim": 1280,
        "hidden": 3584,
        "vocabulary": 16384,
        "condition": 1152,
        "positions": codes + 729 - 1,
    }
    with torch.device("meta"):
        ar = ArDTok(ArSettings(heads=None, codes=codes, norm_eps=1e-5), sizes)
        vqvae = VqDecoder((16384, 8), 256, [512, 256, 256, 128, 128], 3)
    learned_positions = sizes["positions"] * 1280 / 1e6
    assert millions(ar) - learned_positions == pytest.approx(654.24 - 984 * 1280 / 1e6, abs=0.01)
    assert ar.heads == 20
    assert millions(vqvae.decoder) == pytest.approx(42.4, abs=0.05)
    assert side(ar.settings, vqvae) == pixels
    ar.check_room(729)
