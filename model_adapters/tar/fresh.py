"""A small checkpoint of random weights, laid out and named as the released one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig

from harness.seeds import stream_seed
from model_adapters.hf_vlm.quiet import quietly
from model_adapters.tar.ar_dtok import ArDTok
from model_adapters.tar.checkpoint import LLM, TA_TOK
from model_adapters.tar.config import CONFIG, ArSettings, TaTokSettings, TeacherSettings
from model_adapters.tar.detokenizers import VQVAE
from model_adapters.tar.language import SCALES
from model_adapters.tar.ta_tok import TaTok
from model_adapters.tar.towers import CodeTower, ImageTower
from model_adapters.tar.vqvae import VqDecoder

__all__ = ["SIDE", "save_fresh"]

SIDE = 64
"""Pixels of a picture that the checkpoint draws."""

_CODES, _CODE_WIDTH, _WIDTH, _GRID = 256, 32, 48, 9
_PIXEL_CODES = 128
_TEACHER = TeacherSettings(image_size=38, num_attention_heads=4)
_TEMPERATURE = 0.03
_PAD, _END = "<|endoftext|>", "<|im_end|>"
_TOWER = "tower"
"""Folder of the teacher's configuration."""


def save_fresh(folder: Path, seed: int) -> Path:
    """Write a checkpoint, a function of the seed.

    A picture in a question has 81, 16 or 9 tokens; at the edges of the tower's 38 pixels and its
    9 x 9 patches something is left over, as with the released sizes.

    Args:
        folder: Where to write; made if missing.
        seed: Seed of the weights.

    Returns:
        The folder.
    """
    _write(folder / CONFIG, {"ta_tok": {"args": _ta_tok_args()}, "ar_dtok": {"args": _AR_ARGS}})
    _write(folder / _TOWER / CONFIG, {"vision_config": msgspec.to_builtins(_TEACHER)})
    with torch.random.fork_rng(devices=[]):  # constructors draw weights, which are replaced
        parts = {TA_TOK: _ta_tok(), "ar_dtok.safetensors": _ar_dtok(), VQVAE: _vqvae()}
        for name, module in parts.items():
            _enliven(module, stream_seed(seed, name))
            save_file(module.state_dict(), folder / name)
        _save_language(folder / LLM, stream_seed(seed, LLM))
    return folder


_AR_ARGS = {"model_type": "clip_cond", "n_head": 4, "max_seq_len": 64}


def _ta_tok_args() -> dict[str, Any]:
    """Nested as the released ones."""
    code = {"l2_normalized": True, "stochastic_temperature": _TEMPERATURE}
    bottleneck = {"regularizer": {"name": "simvq", "args": code}}
    return {"teacher": _TOWER, "bottleneck": {"name": "bottleneck", "args": bottleneck}}


def _ta_tok() -> TaTok:
    def tower(layers: int, patch: int) -> SiglipVisionConfig:
        return SiglipVisionConfig(
            hidden_size=_WIDTH,
            intermediate_size=2 * _WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=_TEACHER.num_attention_heads,
            image_size=_TEACHER.image_size,
            patch_size=patch,
        )

    return TaTok(
        ImageTower(tower(3, 4)),
        CodeTower(tower(2, 1), _CODE_WIDTH, positions=16),
        (_CODES, _CODE_WIDTH),
        TaTokSettings(teacher=_TEACHER, l2_normalized=True, temperature=_TEMPERATURE),
    )


def _ar_dtok() -> ArDTok:
    settings = ArSettings.read({"args": _AR_ARGS}, Path())
    sizes = {
        "layers": 2,
        "dim": 64,
        "hidden": 128,
        "vocabulary": _PIXEL_CODES,
        "condition": _WIDTH,
        "positions": _GRID**2 + settings.codes - 1,
    }
    return ArDTok(settings, sizes)


def _vqvae() -> VqDecoder:
    return VqDecoder((_PIXEL_CODES, 8), 32, [32] * 4, blocks=1)


def _save_language(folder: Path, seed: int) -> None:
    tokenizer = _tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        rope_theta=1e6,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with quietly():
        model = Qwen2ForCausalLM(config)
        _enliven(model, seed)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token; then come the tokens with a meaning, in the released order."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([_PAD, "<|im_start|>", _END])
    bpe.add_special_tokens(["<im_start>", "<im_end>"])
    images = [f"<S{k}>" for k in range(SCALES)] + [f"<I{k}>" for k in range(_CODES)]
    bpe.add_tokens([AddedToken(text, normalized=False) for text in images])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=_PAD, eos_token=_END)


@torch.no_grad()
def _enliven(module: nn.Module, seed: int) -> None:
    """Draw weights so large that what comes out depends on all that goes in."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in _named(module):
        if tensor.ndim < 2:
            tensor.fill_(0.0 if name.endswith("bias") else 1.0)
        elif name.endswith(("scale", "shift")):
            tensor.fill_(0.5)
        else:
            gain = 1.0 if "embed" in name else 1.5 / tensor[0].numel() ** 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * gain)


def _named(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers in the order of their names; tied ones once."""
    found: Mapping[str, torch.Tensor] = {
        **dict(module.named_parameters()),
        **dict(module.named_buffers()),
    }
    yield from sorted(found.items())


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
