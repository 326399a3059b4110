"""What a model can be asked for."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Capability"]


class Capability(StrEnum):
    """One thing a model can do; adapters declare them, tasks require them."""

    ANSWER = "answer"
    """Text from text and any number of images."""

    GENERATE_IMAGE = "generate_image"
    """An image from text."""

    EDIT_IMAGE = "edit_image"
    """An image from an image and an instruction."""

    LOGLIKELIHOOD = "loglikelihood"
    """Log-probabilities of given continuations."""

    RECONSTRUCT = "reconstruct"
    """An image through the model's own vision tokenizer and back."""

    RAW_TEXT = "raw_text"
    """Text continued as it stands, without a chat template: raw requests, see `AnswerRequest.raw`
    and `LogLikelihoodRequest.raw`. It comes with `ANSWER`, `LOGLIKELIHOOD` or both."""

    VISION_TOKENS = "vision_tokens"
    """An account of the vision tokens that an image of a given size costs."""

    COMPONENTS = "components"
    """Time, operations and bytes of each component of the model."""
