"""Sentences to ids: ChatML with the official layout of images."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from model_adapters.cheers.config import SpecialTokenIds
from model_adapters.cheers.sequence import IGNORE
from recipes.nano.rows import Piece, Row

__all__ = ["RowBuilder"]

_SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
_ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n"
_IMAGE = "<im_start><image><im_end>\n"


class RowBuilder:
    """Builds the rows of every kind of sample.

    Args:
        tokenizer: The nano's tokenizer.
        special: Its special ids.
    """

    def __init__(self, tokenizer: Tokenizer, special: SpecialTokenIds) -> None:
        self._tokenizer = tokenizer
        self._special = special

    def ids(self, text: str) -> list[int]:
        """Ids of a text; `<image>` and `<image_gen>` become the negative placeholders."""
        special = self._special
        swap = {
            special.image_placeholder_token: special.image_token_index,
            special.image_gen_placeholder_token: special.image_gen_token_index,
        }
        return [swap.get(token, token) for token in self._tokenizer.encode(text).ids]

    def generation(self, prompt: str, images: int, *, drop: bool, dummy: bool) -> Row:
        """A text-to-image row: the prompt, then `images` noised images, each alone behind it."""
        return self._images(f"{_SYSTEM}{prompt}{_ASSISTANT}", images, drop=drop, dummy=dummy)

    def editing(self, instruction: str, images: int, *, drop: bool) -> Row:
        """An editing row: the source image, the instruction, then the noised targets."""
        text = f"{_SYSTEM}{_IMAGE}{instruction}{_ASSISTANT}"
        return self._images(text, images, drop=drop, dummy=False)

    def questions(self, pairs: Sequence[tuple[str, str]]) -> Row:
        """An image and several (question, answer) pairs about it."""
        prefix = self.ids(f"{_SYSTEM}{_IMAGE}")
        branches = tuple(self._answered(question, answer) for question, answer in pairs)
        return Row(Piece(prefix, [IGNORE] * len(prefix)), branches)

    def _answered(self, question: str, answer: str) -> Piece:
        asked, said = self.ids(f"{question}{_ASSISTANT}"), self.ids(answer)
        said.append(self._special.chat_end_eos)
        return Piece(asked + said, [IGNORE] * len(asked) + said)

    def _images(self, text: str, images: int, *, drop: bool, dummy: bool) -> Row:
        special, ids = self._special, self.ids(text)
        labels = [IGNORE] * len(ids)
        if drop:
            kept = (special.im_start, special.im_end, special.image_token_index)
            ids = [token if token in kept else special.no_mean for token in ids]
        begin = Piece([*ids, special.im_start], [*labels, IGNORE if drop else special.im_start])
        eos = special.chat_end_eos
        after = IGNORE if drop else eos
        branch = Piece(
            [special.image_gen_token_index, special.im_end, special.no_mean if drop else eos],
            [IGNORE, IGNORE, after],
        )
        return Row(begin, (branch,) * images, dummy)
