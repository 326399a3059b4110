"""The null model: a control that understands nothing and costs nothing.

What it scores on a task is what a constant answer or pure noise scores there, so a leaderboard
shows how far above nothing a real model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.adapter import ModelAdapter
from harness.errors import SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    Fingerprint,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ModelCard,
    ReconstructRequest,
    Response,
    Usage,
)
from harness.rgb import as_rgb
from harness.seeds import stream_seed
from harness.text import cut_at_stop

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NullModel", "noise_image"]

_CODE_VERSION = "2"


class NullModel(ModelAdapter):
    """Answers every question with one string and draws noise.

    Answers are `answer`, or `answer` and the request's seed with `with_seed`. Images are uniform
    noise, a function of the request's seed alone. Edits and reconstructions return their input.
    Every continuation has the same log-likelihood.

    Args:
        answer: The answer to everything.
        with_seed: Whether the seed is appended, which makes answers differ between samples.
        size: Width and height, in pixels, of images whose request leaves them open.

    Raises:
        SpecError: The size isn't positive.

    Example:
        >>> from harness.records import AnswerRequest
        >>> [r.text for r in NullModel(answer="B").answer([AnswerRequest(prompt="2 + 2?")])]
        ['B']
    """

    card = ModelCard(
        name="null",
        summary="Control: a constant answer, noise for pictures, edits that change nothing.",
        capabilities=frozenset(
            {
                Capability.ANSWER,
                Capability.GENERATE_IMAGE,
                Capability.EDIT_IMAGE,
                Capability.LOGLIKELIHOOD,
                Capability.RAW_TEXT,
                Capability.RECONSTRUCT,
            }
        ),
        licence="Apache-2.0",
        source="this package",
        control=True,
    )

    def __init__(self, answer: str = "A", *, with_seed: bool = False, size: int = 64) -> None:
        if size < 1:
            raise SpecError(f"model 'null': size is {size}", "give a positive number of pixels")
        self._answer = answer
        self._with_seed = with_seed
        self._size = size

    def fingerprint(self) -> Fingerprint:
        """Identity: the code and its three arguments."""
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}:{type(self).__qualname__}",
            code_version=_CODE_VERSION,
            weights_sha256=None,
            config={"answer": self._answer, "with_seed": self._with_seed},
            defaults={"width": self._size, "height": self._size},
            dtype="uint8",
            device="cpu",
            parameters=0,
        )

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer with the constant string, cut at a stop string."""
        return [
            Response(text=cut_at_stop(self._text(request.seed), request.decoding.stop)[0])
            for request in requests
        ]

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw noise of the requested size."""
        return [
            Response(image=self._noise(request.decoding, request.seed), usage=Usage(nfe=0))
            for request in requests
        ]

    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        """Return the picture unchanged."""
        return [Response(image=as_rgb(request.image), usage=Usage(nfe=0)) for request in requests]

    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Give every continuation log-likelihood -1; none is what it would say itself."""
        counts = [len(request.continuations) for request in requests]
        return [Response(loglikelihoods=(-1.0,) * n, is_greedy=(False,) * n) for n in counts]

    def reconstruct(self, requests: Sequence[ReconstructRequest]) -> list[Response]:
        """Return the picture unchanged."""
        return [Response(image=as_rgb(request.image)) for request in requests]

    def preferred_batch_size(self, capability: Capability) -> int:
        """Large batches of text, small batches of pictures."""
        drawn = (Capability.GENERATE_IMAGE, Capability.EDIT_IMAGE, Capability.RECONSTRUCT)
        return 16 if capability in drawn else 128

    def _text(self, seed: int) -> str:
        return f"{self._answer} {seed}" if self._with_seed else self._answer

    def _noise(self, decoding: ImageDecoding, seed: int) -> Image:
        return noise_image(decoding.width or self._size, decoding.height or self._size, seed)


def noise_image(width: int, height: int, seed: int) -> Image:
    """Uniform RGB noise, a function of the arguments alone.

    Args:
        width: Pixels.
        height: Pixels.
        seed: Seed of the request, in [0, 2**63).

    Example:
        >>> noise_image(4, 2, seed=1).size
        (4, 2)
        >>> noise_image(4, 2, seed=1) == noise_image(4, 2, seed=1)
        True
    """
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(stream_seed(seed, "noise"))
    pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels, "RGB")
