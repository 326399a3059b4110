"""The tokenizer: a byte-level BPE file plus CHEERS' five tokens, checked against the ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError
from model_adapters.cheers.config import SpecialTokenIds

TOKEN_TEXTS = {
    "pad": "<|endoftext|>",
    "chat_start": "<|im_start|>",
    "chat_end_eos": "<|im_end|>",
    "image_placeholder_token": "<image>",
    "image_gen_placeholder_token": "<image_gen>",
    "im_start": "<im_start>",
    "im_end": "<im_end>",
    "no_mean": "<no_mean>",
}
"""The text of each token with a meaning, by its name in `special_token_ids`."""

ADDED = ("image_placeholder_token", "image_gen_placeholder_token", "im_start", "im_end", "no_mean")
"""Tokens that CHEERS adds to Qwen2.5's, in this order, where the file lacks them."""


class CheersTokenizer:
    """Text to ids and back.

    Args:
        tokenizer: a `tokenizers.Tokenizer`; missing CHEERS tokens are added to it in order.
        special: the ids that the model gives a meaning.
        extra_files: further tokenizer files by name, kept for `save`.

    Raises:
        CheckpointError: a token has another id than the model's configuration says.
    """

    def __init__(
        self,
        tokenizer: Any,
        special: SpecialTokenIds,
        extra_files: dict[str, bytes] | None = None,
    ) -> None:
        self.special = special
        self.extra_files = extra_files or {}
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.add_special_tokens([TOKEN_TEXTS[name] for name in ADDED])
        for name, text in TOKEN_TEXTS.items():
            have, want = self._tokenizer.token_to_id(text), getattr(special, name)
            if have != want:
                raise CheckpointError(
                    f"the tokenizer gives {text} the id {have}, but special_token_ids.{name} "
                    f"is {want}",
                    "use the tokenizer files and the config.json of one checkpoint",
                )

    @classmethod
    def from_file(cls, path: Path, special: SpecialTokenIds) -> CheersTokenizer:
        """Read a `tokenizer.json`, and keep its neighbours for `save`.

        Raises:
            CheckpointError: the file is missing, broken, or of another model.
        """
        from tokenizers import Tokenizer

        if not path.is_file():
            raise CheckpointError(
                f"{path} is missing", "put the checkpoint's tokenizer.json beside config.json"
            )
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a broken file
            raise CheckpointError(
                f"{path} is no tokenizer file: {error}", "download it again"
            ) from error
        names = ("tokenizer_config.json", "vocab.json", "merges.txt", "preprocessor_config.json")
        files = {name: path.with_name(name) for name in names}
        kept = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
        return cls(tokenizer, special, kept)

    @property
    def size(self) -> int:
        """Number of tokens, the added ones included."""
        count: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        return count

    def encode(self, text: str) -> list[int]:
        """Ids of a text, in which image placeholders become the model's negative ids."""
        special = self.special
        markers = {
            special.image_placeholder_token: special.image_token_index,
            special.image_gen_placeholder_token: special.image_gen_token_index,
        }
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [markers.get(token, token) for token in ids]

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """Text of ids; image placeholders and, by default, tokens with a meaning are left out."""
        kept = [token for token in ids if token >= 0]
        text: str = self._tokenizer.decode(kept, skip_special_tokens=skip_special)
        return text

    def files(self) -> dict[str, bytes]:
        """The files of this tokenizer by name."""
        return {"tokenizer.json": self._tokenizer.to_str(pretty=False).encode(), **self.extra_files}
