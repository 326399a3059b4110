"""A small CHEERS with random weights, its tokenizer and its processor."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from model_adapters.cheers.config import (
    CheersConfig,
    HeadConfig,
    SpecialTokenIds,
    TextConfig,
    VAEConfig,
    VisionConfig,
)
from model_adapters.cheers.initialisation import fresh_model
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.processor import CheersProcessor
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.tokenizer import TOKEN_TEXTS, CheersTokenizer

torch.set_num_threads(1)

SPECIAL = SpecialTokenIds(
    pad=256,
    chat_start=257,
    chat_end_eos=258,
    image_placeholder_token=259,
    image_gen_placeholder_token=260,
    im_start=261,
    im_end=262,
    no_mean=263,
)


def small_config(context: int = 160) -> CheersConfig:
    vae = VAEConfig(
        resolution=32, ch=8, ch_mult=(1, 1), num_res_blocks=1, z_channels=2, norm_num_groups=4
    )
    return CheersConfig(
        vae_encoder_config=vae,
        vae_decoder_config=vae,
        vision_representation_config=VisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=16,
            patch_size=4,
        ),
        text_config=TextConfig(
            vocab_size=270,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context,
            tie_word_embeddings=True,
        ),
        head_config=HeadConfig(gen_depth=2, hi_depth=1),
        special_token_ids=SPECIAL,
    )


def lively_model(config: CheersConfig, seed: int = 0) -> CheersModel:
    """A fresh model with noise on every weight, so that nothing is switched off by a zero."""
    model = fresh_model(config, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return model.eval()


def tokens_run(model: CheersModel, run: Callable[[], object]) -> int:
    """How many positions, padding included, went through the backbone."""
    seen: list[int] = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].shape[0] * args[0].shape[1])
    )
    run()
    handle.remove()
    return sum(seen)


@pytest.fixture(scope="session")
def config() -> CheersConfig:
    return small_config()


@pytest.fixture(scope="session")
def model(config: CheersConfig) -> CheersModel:
    return lively_model(config)


@pytest.fixture(scope="session")
def tokenizer() -> CheersTokenizer:
    """Bytes as tokens, then CHEERS' tokens with a meaning."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(
        models.BPE(vocab={text: index for index, text in enumerate(alphabet)}, merges=[])
    )
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([TOKEN_TEXTS[name] for name in ("pad", "chat_start", "chat_end_eos")])
    return CheersTokenizer(bpe, SPECIAL)


@pytest.fixture(scope="session")
def processor(config: CheersConfig, tokenizer: CheersTokenizer) -> CheersProcessor:
    return CheersProcessor(config, tokenizer)


@pytest.fixture(scope="session")
def pixels(config: CheersConfig) -> Callable[[int], Tensor]:
    """An image (3, S, S) of a seed."""

    def make(seed: int) -> Tensor:
        side = config.image_size
        return torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed))

    return make


@pytest.fixture(scope="session")
def ragged(pixels: Callable[[int], Tensor]) -> list[Prompt]:
    """Prompts of different lengths: two images, one, a dummy, none."""
    image = [SPECIAL.im_start, SPECIAL.image_token_index, SPECIAL.im_end]
    return [
        Prompt([5, *image, 7, *image, 9, 10, 11], (pixels(0), pixels(1))),
        Prompt([5, *image, 12], (pixels(2),)),
        Prompt([20, 21, 22, 23, 24, 25, 26], (), pixels(3)),
        Prompt([30, 31]),
    ]
