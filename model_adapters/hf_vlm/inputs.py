"""From requests to padded tensors, through the model's own processor and chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import AdapterError
from harness.rgb import as_rgb
from model_adapters.hf_vlm.loading import Checkpoint
from model_adapters.hf_vlm.quiet import quietly

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Inputs", "check_room", "has_control", "prepare"]


class Inputs(NamedTuple):
    """A batch, padded on the left."""

    tensors: dict[str, Any]
    """What the model's forward pass takes: `input_ids` (rows, length) and its companions."""

    lengths: list[int]
    """Tokens of each row without padding."""

    vision_tokens: list[int | None]
    """How many of them stand for a picture; `None` where the model doesn't mark them."""

    @property
    def width(self) -> int:
        """Columns of `input_ids`."""
        return int(self.tensors["input_ids"].shape[1])

    def text_tokens(self, row: int) -> int | None:
        """Tokens of a row that are text, template included."""
        seen = self.vision_tokens[row]
        return None if seen is None else self.lengths[row] - seen


def prepare(
    checkpoint: Checkpoint, prompts: Sequence[str], images: Sequence[Sequence[Image]], device: str
) -> Inputs:
    """Render, tokenize and pad a batch; pictures become RGB first.

    Args:
        checkpoint: Model and processor.
        prompts: User messages.
        images: Pictures of each message; they stand before its text.
        device: Where the tensors go.

    Raises:
        AdapterError: A prompt doesn't fit the context, or can't be told from control tokens.
    """
    chats = [_chat(prompt, shown) for prompt, shown in zip(prompts, images, strict=True)]
    sanitize = any(has_control(checkpoint, prompt) for prompt in prompts)
    tensors = _tensors(checkpoint, chats, sanitize=sanitize)
    ids, mask = tensors["input_ids"], tensors["attention_mask"]
    lengths = mask.sum(-1).tolist()
    check_room(lengths, checkpoint.context)
    marked = [0] * len(ids)
    if checkpoint.image_token_id is not None:
        marked = (ids == checkpoint.image_token_id).sum(-1).tolist()
    seen = [n if n or not shown else None for n, shown in zip(marked, images, strict=True)]
    placed = {name: _placed(value, checkpoint.model, device) for name, value in tensors.items()}
    return Inputs(placed, lengths, seen)


def _chat(prompt: str, images: Sequence[Image]) -> list[dict[str, Any]]:
    pictures = [{"type": "image", "image": as_rgb(image)} for image in images]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": prompt}]}]


def _tensors(checkpoint: Checkpoint, chats: Sequence[Any], *, sanitize: bool) -> Mapping[str, Any]:
    options = {"sanitize_control_tokens": True} if sanitize else {}
    try:
        with quietly():  # prompts that are too long are refused below
            rendered: Mapping[str, Any] = checkpoint.processor.apply_chat_template(
                list(chats),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True, "padding_side": "left"},
                **options,
            )
    except (ValueError, IndexError, KeyError) as error:
        why = "; a prompt holds the text of a control token" if sanitize else ""
        raise AdapterError(
            f"the processor {type(checkpoint.processor).__name__} refuses the batch{why}: {error}",
            "look at the sample's pictures and prompt",
        ) from error
    return rendered


def has_control(checkpoint: Checkpoint, prompt: str) -> bool:
    """Whether a prompt's text could be read as a control token, such as an end of message."""
    return any(token in prompt for token in checkpoint.control_tokens)


def check_room(lengths: Sequence[int], context: int | None) -> None:
    """Refuse prompts that leave no room for an answer.

    Args:
        lengths: Tokens of each prompt.
        context: Tokens that the context holds; `None` if it isn't known.

    Raises:
        AdapterError: One doesn't fit.
    """
    for row, length in enumerate(lengths):
        if context is not None and length >= context:
            raise AdapterError(
                f"row {row}: the prompt has {length} tokens, pictures included, and the context "
                f"holds {context}",
                "shorten the prompt, or give it smaller pictures",
            )


def _placed(value: Any, model: Any, device: str) -> Any:
    if not hasattr(value, "to"):
        return value
    return value.to(device, model.dtype if value.is_floating_point() else value.dtype)
