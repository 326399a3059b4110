"""The interface through which every task drives every model.

An adapter declares capabilities and serves batches of requests. The runner guarantees that the
requests of one call are of one kind, have equal decoding parameters and equal `batch_key`, so
nothing can leak from one request's settings into another's.
"""

from __future__ import annotations

import abc
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import CapabilityError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    Fingerprint,
    GenerateImageRequest,
    LogLikelihoodRequest,
    ModelCard,
    ReconstructRequest,
    Record,
    Request,
    Response,
    Sample,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from PIL.Image import Image

    from harness.components import ComponentWork

__all__ = ["Explanation", "ModelAdapter", "VisionTokens", "perform"]


class VisionTokens(Record, frozen=True, kw_only=True):
    """What one image of a given size costs a model."""

    width: int
    """Pixels of the picture asked about."""

    height: int
    """Pixels of the picture asked about."""

    latent_grid: tuple[int, int] | None
    """Rows and columns of the VAE latent after patchify; `None` without a VAE."""

    patches: int
    """Patches that the vision tower attends over."""

    llm_tokens: int
    """Tokens that enter the language model."""

    prefill_flops: float | None = None
    """Floating-point operations of the language model's prefill over these tokens alone."""

    kv_cache_bytes: int | None = None
    """Bytes of key/value cache that these tokens occupy."""

    prefill_flops_uncompressed: float | None = None
    """The same prefill if every patch were a language-model token."""

    kv_cache_bytes_uncompressed: int | None = None
    """The same cache if every patch were a language-model token."""

    @property
    def compression(self) -> float:
        """Patches per language-model token."""
        return self.patches / self.llm_tokens


class Explanation(NamedTuple):
    """A response, and pictures of how it came about."""

    response: Response
    """What the model gives back, up to rounding what it gave in the run."""

    pictures: Mapping[str, Image]
    """What to show beside it, by name; RGB, any size."""


class ModelAdapter(abc.ABC):
    """Base class of all model adapters.

    A subclass sets `card` and implements the methods of the capabilities it declares. It is
    built by `build(**args)` with the run's model arguments, all of them strings, numbers or
    booleans.
    """

    card: ModelCard
    """What the model is and can do; known before any weights are loaded."""

    @abc.abstractmethod
    def fingerprint(self) -> Fingerprint:
        """Identity of what will produce the responses: weights, configuration, defaults, dtype."""

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer each request with text; `Response.text` is set."""
        raise self._lacks(Capability.ANSWER)

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw an image per request; `Response.image` is set."""
        raise self._lacks(Capability.GENERATE_IMAGE)

    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        """Edit each request's image; `Response.image` is set."""
        raise self._lacks(Capability.EDIT_IMAGE)

    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Score each request's continuations; `Response.loglikelihoods` is set."""
        raise self._lacks(Capability.LOGLIKELIHOOD)

    def reconstruct(self, requests: Sequence[ReconstructRequest]) -> list[Response]:
        """Encode and decode each image; `Response.image` is set."""
        raise self._lacks(Capability.RECONSTRUCT)

    def vision_tokens(self, width: int, height: int) -> VisionTokens:
        """Account of the vision tokens of a `width` x `height` image."""
        raise self._lacks(Capability.VISION_TOKENS)

    def prefill(self, tokens: int) -> int | None:
        """Run the language model over as many tokens that see each other, as an image's do.

        It's optional, for probes that time it; what the tokens are doesn't matter. It returns when
        the device is done.

        Returns:
            Bytes of keys and values that the tokens occupy; `None` if the adapter can't do this.
        """
        del tokens
        return None

    def batch_key(self, request: Request) -> Hashable:
        """Requests share a batch only if their keys are equal.

        Decoding parameters and the kind of request are compared by the runner; an adapter adds
        what its tensors need, e.g. the number and size of images.
        """
        return None

    def address(self, request: Request, task: str, sample: Sample) -> Request:
        """Note on a request which sample it belongs to, for adapters that replay responses.

        A model's response depends on the request alone, so models leave this as it is. The
        request's digest in the ledger is that of the request as the task made it.

        Args:
            request: What the task asks.
            task: Registry name of the task.
            sample: The sample that the request was made from.

        Returns:
            The request to serve, of the same kind.
        """
        return request

    def preferred_batch_size(self, capability: Capability) -> int:
        """Batch size to use where the user names none."""
        return 8

    def parameters_by_part(self) -> Mapping[str, int]:
        """Numbers of parameters by part of the model, for `show model`; optional.

        Adapters of models in torch have `harness.torch_support.count_parameters`.
        """
        return {}

    def watch_components(
        self, *, count: bool
    ) -> AbstractContextManager[Mapping[str, ComponentWork]]:
        """Context that watches each component, by phase, in the calls made inside it; optional.

        The mapping is filled when the context ends; it's empty if the adapter watches none. What
        didn't run isn't in it. Names of phases stand behind a component's and a `/`.

        Args:
            count: Count operations and bytes instead of taking time, which one pass can't do both.
        """
        from contextlib import nullcontext

        del count
        return nullcontext({})

    def explain(self, request: Request) -> Explanation:
        """Serve one request again and show how the response comes about; optional.

        Raises:
            CapabilityError: The adapter has nothing to show for such a request.
        """
        raise CapabilityError(
            f"model {self.card.name!r} has no pictures about how it serves "
            f"{request.capability.value!r}",
            "its adapter gives them by defining `explain`",
        )

    def close(self) -> None:
        """Free memory and connections; the adapter isn't used afterwards."""
        return  # most adapters hold nothing beyond their weights

    def _lacks(self, capability: Capability) -> CapabilityError:
        return CapabilityError(
            f"model {self.card.name!r} has no capability {capability.value!r}",
            "choose a task that needs only: "
            + ", ".join(sorted(c.value for c in self.card.capabilities)),
        )


def perform(adapter: ModelAdapter, requests: Sequence[Any]) -> list[Response]:
    """Send one homogeneous batch to the adapter method that serves its kind.

    Args:
        adapter: The model.
        requests: One or more requests of one kind.

    Raises:
        CapabilityError: The adapter doesn't serve this kind.
    """
    capability: Capability = requests[0].capability
    method = getattr(adapter, capability.value)
    responses: list[Response] = method(requests)
    return responses
