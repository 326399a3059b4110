"""Text that is continued or scored as it stands: no chat template, only the dummy image."""

from __future__ import annotations

from harness.errors import AdapterError
from harness.records import LogLikelihoodRequest
from model_adapters.cheers.processor import CheersProcessor
from model_adapters.cheers.prompt import Prompt, PromptForm
from model_adapters.continuation import Scored, cut, split_pair, windows

__all__ = ["RawText", "ToScore"]

ToScore = tuple[Prompt, list[int]]
"""What the model reads, and the ids to score behind it."""


class RawText:
    """Prepares raw requests. What doesn't fit beside the dummy image is cut on the left.

    Args:
        processor: Encodes text.
        form: What stands in front of a prompt without images.
    """

    def __init__(self, processor: CheersProcessor, form: str) -> None:
        self._processor = processor
        self._form = form
        config = processor.config
        dummy = 0 if PromptForm(form) is PromptForm.NO_DUMMY else config.tokens_per_image
        self._room = config.text_config.max_position_embeddings - dummy
        self._prefix = config.special_token_ids.pad  # `<|endoftext|>` begins a text without context

    def to_continue(self, text: str, max_new_tokens: int, seed: int) -> Prompt:
        """The prompt of a text to continue.

        Args:
            text: The text; an empty one is begun with the prefix token.
            max_new_tokens: Tokens that must fit behind it.
            seed: Seed of the dummy image.

        Raises:
            AdapterError: They don't fit into the context.
        """
        room = self._room - max_new_tokens
        if room < 1:
            raise AdapterError(
                f"max_new_tokens is {max_new_tokens}, and the context holds {self._room} tokens of "
                "text in all",
                "ask for fewer new tokens",
            )
        ids = self._encode(text)[-room:] or [self._prefix]
        return self._dummy(seed)._replace(ids=ids)

    def to_score(self, request: LogLikelihoodRequest, seed: int) -> list[list[ToScore]]:
        """What is to be scored for each continuation: itself, or its windows.

        Args:
            request: A raw request without images.
            seed: Seed of the dummy image, which all parts share.

        Raises:
            AdapterError: A continuation has no token, or alone doesn't fit the context.
        """
        dummy = self._dummy(seed)
        return [
            [(dummy._replace(ids=scored.context), scored.continuation) for scored in part]
            for part in self._parts(request)
        ]

    def _parts(self, request: LogLikelihoodRequest) -> list[list[Scored]]:
        limit = self._room - 1  # the last token is scored, and read as well
        if request.rolling:
            texts = request.continuations
            return [windows(self._encode(text), self._prefix, limit) for text in texts]
        return [
            [cut(split_pair(before, text, self._encode, self._encode, self._prefix), limit)]
            for before, text in request.pairs()
        ]

    def _dummy(self, seed: int) -> Prompt:
        return self._processor.with_form(Prompt([]), seed=seed, form=self._form)

    def _encode(self, text: str) -> list[int]:
        return self._processor.tokenizer.encode(text)
