"""The tokenizer of cheers-nano: words of its world, and single characters for all else.

A WordPiece vocabulary: a known word is one token; anything else is spelled, `VXE` as `V ##X ##E`.
Line feeds and spaces are not tokens, so ChatML costs a nano few positions.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from model_adapters.cheers.config import SpecialTokenIds
from tasks.shapes.world import COLORS, SHAPES, WORD_QUESTION, edit_sample, format_mcq, mcq_sample
from tasks.shapes.world.generation import generation_sample
from tasks.shapes.world.palette import NUMBER_WORDS, plural

__all__ = ["CHAT_TEMPLATE", "SPECIAL_TOKENS", "build_tokenizer", "save_tokenizer", "special_ids"]

PAD, CHAT_START, CHAT_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS: tuple[str, ...] = (
    PAD,
    CHAT_START,
    CHAT_END,
    "<image>",
    "<image_gen>",
    "<im_start>",
    "<im_end>",
    "<no_mean>",
)
"""Special tokens, in the order of their ids, which start at 0."""

CHAT_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML as Qwen2.5 writes it."""

_NEWLINE, _UNKNOWN = "\n", "[UNK]"
_SAMPLES = 600
_EXTRA = (
    "system user assistant You are a helpful assistant yes no image an the first second third "
    "letter color shape number of in to from photo word text read say answer with option "
    "choose directly one two three four five zero orange pink brown white gray teal rectangle "
    "star object objects shapes left right above below"
)


def _texts() -> list[str]:
    """Every sentence form of the world and of easy-VQA's training questions."""
    import easy_vqa

    questions, answers, _ = easy_vqa.get_train_questions()
    texts = [_EXTRA, WORD_QUESTION, *questions, *answers, *COLORS, *SHAPES, *NUMBER_WORDS.values()]
    texts += [plural(shape) for shape in SHAPES]
    for index in range(_SAMPLES):
        texts.append(generation_sample(0, "train", index).prompt)
        texts.append(edit_sample(0, "train", index).instruction)
        question = mcq_sample(0, "train", index)
        texts.append(format_mcq(question.question, question.options))
    return texts


def _vocabulary() -> dict[str, int]:
    words = sorted({word for text in _texts() for word in re.findall(r"[A-Za-z]+", text)})
    characters = [chr(code) for code in range(33, 127)]
    pieces = [*SPECIAL_TOKENS, _NEWLINE, _UNKNOWN, *characters, *(f"##{c}" for c in characters)]
    pieces += [word for word in words if len(word) > 1]
    return {piece: number for number, piece in enumerate(pieces)}


def build_tokenizer() -> Tokenizer:
    """The tokenizer.

    Example:
        >>> build_tokenizer().encode("a photo of VXE").tokens
        ['a', 'photo', 'of', 'V', '##X', '##E']
    """
    model = models.WordPiece(vocab=_vocabulary(), unk_token=_UNKNOWN, max_input_chars_per_word=200)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    return tokenizer


def special_ids(tokenizer: Tokenizer) -> SpecialTokenIds:
    """Ids of the special tokens, as the configuration names them."""
    names = (
        "pad",
        "chat_start",
        "chat_end_eos",
        "image_placeholder_token",
        "image_gen_placeholder_token",
        "im_start",
        "im_end",
        "no_mean",
    )
    ids: dict[str, Any] = {
        name: tokenizer.token_to_id(token)
        for name, token in zip(names, SPECIAL_TOKENS, strict=True)
    }
    return msgspec.convert({**ids, "newline": tokenizer.token_to_id(_NEWLINE)}, SpecialTokenIds)


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that a checkpoint folder holds beside the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": CHAT_END,
        "unk_token": _UNKNOWN,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    special = {
        "pad_token": PAD,
        "eos_token": CHAT_END,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
    }
    for name, data in (("tokenizer_config", config), ("special_tokens_map", special)):
        (folder / f"{name}.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
