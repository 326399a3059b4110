"""What a model is asked. Requests live in memory only; the ledger keeps their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from harness.records.base import Record
from harness.records.capability import Capability

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "AnswerRequest",
    "EditImageRequest",
    "GenerateImageRequest",
    "ImageDecoding",
    "LogLikelihoodRequest",
    "ReconstructRequest",
    "Request",
    "TextDecoding",
]


class TextDecoding(Record, frozen=True, kw_only=True):
    """How text is decoded. A field left `None` takes the model's recorded default."""

    max_new_tokens: int = 64
    """Upper bound on generated tokens; reaching it gives finish reason `length`."""

    temperature: float = 0.0
    """0 is greedy; above 0 samples with the request's seed."""

    top_p: float = 1.0
    """Nucleus mass in (0, 1]; ignored when greedy."""

    num_beams: int = 1
    """Beams; 1 is no beam search."""

    stop: tuple[str, ...] = ()
    """Strings at which the answer is cut; the stop string is not part of the answer."""

    min_new_tokens: int = 0
    """Tokens that are generated before an end token may come; 0 is no bound. With `max_new_tokens`
    equal to it an answer has a fixed length, unless a stop string or the context ends it."""

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other.

        Raises:
            ValueError: The least number of tokens is negative, or above the greatest.
        """
        if not 0 <= self.min_new_tokens <= max(self.max_new_tokens, 0):
            raise ValueError(
                f"min_new_tokens is {self.min_new_tokens}, and max_new_tokens {self.max_new_tokens}"
            )


class ImageDecoding(Record, frozen=True, kw_only=True):
    """How an image is generated. A field left `None` takes the model's recorded default."""

    width: int | None = None
    """Pixels."""

    height: int | None = None
    """Pixels."""

    steps: int | None = None
    """Denoising steps."""

    cfg_scale: float | None = None
    """Classifier-free guidance scale; 1 is no guidance."""

    alpha: float | None = None
    """Time-shift of the flow-matching schedule; 1 is no shift."""


class AnswerRequest(Record, frozen=True, kw_only=True):
    """Text from text and images."""

    capability: ClassVar[Capability] = Capability.ANSWER

    prompt: str
    """The user message without any chat template."""

    images: tuple[Image, ...] = ()
    """Pictures in the order in which the prompt speaks of them."""

    decoding: TextDecoding = TextDecoding()
    """Decoding of this request; the runner batches only equal ones together."""

    seed: int = 0
    """Seed of everything random in this request, in [0, 2**63)."""

    raw: bool = False
    """Whether the prompt is continued as it stands, with no chat template around it; needs
    `Capability.RAW_TEXT`."""


class GenerateImageRequest(Record, frozen=True, kw_only=True):
    """An image from text."""

    capability: ClassVar[Capability] = Capability.GENERATE_IMAGE

    prompt: str
    """The text to draw."""

    decoding: ImageDecoding = ImageDecoding()
    """Decoding of this request; the runner batches only equal ones together."""

    seed: int = 0
    """Seed of the initial noise and of everything else random, in [0, 2**63)."""


class EditImageRequest(Record, frozen=True, kw_only=True):
    """An image from an image and an instruction."""

    capability: ClassVar[Capability] = Capability.EDIT_IMAGE

    prompt: str
    """The instruction."""

    image: Image
    """The picture to edit."""

    decoding: ImageDecoding = ImageDecoding()
    """Decoding of this request; the runner batches only equal ones together."""

    seed: int = 0
    """Seed of the initial noise and of everything else random, in [0, 2**63)."""


class LogLikelihoodRequest(Record, frozen=True, kw_only=True):
    """Log-probabilities of each continuation given the prompt."""

    capability: ClassVar[Capability] = Capability.LOGLIKELIHOOD

    prompt: str
    """The user message without any chat template."""

    continuations: tuple[str, ...]
    """Assistant texts to rank; at least one."""

    images: tuple[Image, ...] = ()
    """Pictures in the order in which the prompt speaks of them."""

    seed: int = 0
    """Seed of everything random in this request, in [0, 2**63)."""

    raw: bool = False
    """Whether prompt and continuations are one text as it stands, with no chat template around it;
    needs `Capability.RAW_TEXT`. The response then says which continuations are greedy."""

    contexts: tuple[str, ...] | None = None
    """Raw requests only: the text before each continuation, where they differ; `prompt` is then
    empty. An empty context is the beginning of a text."""

    rolling: bool = False
    """Raw requests only: every token of the continuations is scored, in windows where they are
    longer than the model's context; there is no other context."""

    def __post_init__(self) -> None:
        """Refuse combinations that mean nothing.

        Raises:
            ValueError: The contexts don't fit the continuations or the prompt, or a field for raw
                requests is set on another one.
        """
        if not self.raw and (self.contexts is not None or self.rolling):
            raise ValueError("contexts and rolling are for raw requests")
        if self.contexts is not None and len(self.contexts) != len(self.continuations):
            raise ValueError(
                f"{len(self.contexts)} contexts for {len(self.continuations)} continuations"
            )
        if self.prompt and (self.contexts is not None or self.rolling):
            raise ValueError("a prompt stands beside contexts, or before a rolling text")

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each continuation with the text before it.

        Example:
            >>> LogLikelihoodRequest(prompt="2 + 2 =", continuations=(" 4", " 5")).pairs()
            (('2 + 2 =', ' 4'), ('2 + 2 =', ' 5'))
        """
        contexts = self.contexts or (self.prompt,) * len(self.continuations)
        return tuple(zip(contexts, self.continuations, strict=True))


class ReconstructRequest(Record, frozen=True, kw_only=True):
    """An image through the vision tokenizer and back."""

    capability: ClassVar[Capability] = Capability.RECONSTRUCT

    image: Image
    """The picture to encode and decode."""

    seed: int = 0
    """Seed of everything random in this request, in [0, 2**63)."""


Request: TypeAlias = (
    AnswerRequest
    | GenerateImageRequest
    | EditImageRequest
    | LogLikelihoodRequest
    | ReconstructRequest
)
"""Any request; its `capability` says which adapter method serves it."""
