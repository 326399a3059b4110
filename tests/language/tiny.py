"""A tiny language model with random weights and a tokenizer, made offline in a second."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

TEXT = [
    "The quick brown fox jumps over the lazy dog. Question: what is two plus two? Answer: four.",
    "A bird sings; the river runs to the sea. Paris is the capital of France, Rome of Italy.",
    "1 2 3 4 5 6 7 8 9 0 yes no true false red green blue\n\nQuestion:\nAnswer:",
]
EOS = "<|endoftext|>"
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 400 tokens, so every text has ids and every id is a text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[EOS], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=EOS, clean_up_tokenization_spaces=False
    )
    fast.chat_template = CHAT
    return fast


def save(folder: Path, *, length: int = 64, seed: int = 0, spread: float = 0.3) -> Path:
    """Write a checkpoint.

    Args:
        folder: Where to.
        length: Context length in tokens.
        seed: Seed of the weights.
        spread: Standard deviation of the weights; larger ones make likelier tokens clearer.
    """
    config = Qwen2Config(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=length,
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config).eval()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
