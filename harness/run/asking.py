"""From a sample to a request that is ready to be batched."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import msgspec

from harness.adapter import ModelAdapter
from harness.ledger import Pending
from harness.media import pixel_hash
from harness.records import Request, Response, Sample, TextDecoding
from harness.run.following import make_request
from harness.seeds import sample_seed
from harness.task import Task

__all__ = ["Ask", "Asked", "GroupKey", "addressed", "ask", "request_digest"]

_DIGITS = 16
_LATER = {"raw": False, "contexts": None, "rolling": False}
_LATER_DECODING = {"min_new_tokens": 0}


def _encode_picture(value: Any) -> str:
    return pixel_hash(value)  # the only type in a request that msgspec doesn't know


_encode = msgspec.json.Encoder(order="sorted", enc_hook=_encode_picture).encode


class GroupKey(NamedTuple):
    """Requests share a batch only if these are equal."""

    kind: type
    """Class of the request."""

    decoding: Hashable
    """Decoding parameters; `None` for kinds without any."""

    adapter: Hashable
    """The adapter's `batch_key`."""


class Ask(NamedTuple):
    """A request with all that is needed to record what becomes of it."""

    n: int
    """Row number of the sample."""

    sample: Sample
    """The item."""

    request: Request
    """What the model is asked."""

    key: GroupKey
    """The group it can share a batch with."""

    digest: str
    """Digest of the request, pictures included."""

    @property
    def prompt(self) -> str:
        """The request's prompt, empty where the kind has none."""
        return getattr(self.request, "prompt", "")


class Asked(NamedTuple):
    """A request as the task makes it."""

    request: Request
    """What the model is asked."""

    digest: str
    """Digest of the request, pictures included."""


def ask(task: Task, sample: Sample, seed: int, earlier: Response | None = None) -> Asked:
    """Build a sample's request; whatever the task raises passes through.

    Args:
        task: The task.
        sample: The item.
        seed: Base seed of the run.
        earlier: The response that the sample follows; `None` for a first one.
    """
    own = sample_seed(seed, task.metadata.name, sample.id, sample.k)
    request = make_request(task, sample, own, earlier)
    return Asked(request, request_digest(request))


def addressed(adapter: ModelAdapter, task: str, pending: Pending, asked: Asked) -> Ask:
    """Make a request ready to be batched; whatever the adapter raises passes through.

    Args:
        adapter: The model.
        task: Registry name of the task.
        pending: The sample.
        asked: Its request.
    """
    request = adapter.address(asked.request, task, pending.sample)
    key = GroupKey(type(request), getattr(request, "decoding", None), adapter.batch_key(request))
    return Ask(pending.n, pending.sample, request, key, asked.digest)


def _told(request: Request) -> dict[str, Any]:
    """The fields of a request, without those that came later and are at their defaults.

    So a request that could be made before they existed keeps its digest.
    """
    fields = _without(msgspec.structs.asdict(request), _LATER)
    if isinstance(fields.get("decoding"), TextDecoding):
        decoding = msgspec.structs.asdict(fields["decoding"])
        fields["decoding"] = _without(decoding, _LATER_DECODING)
    return fields


def _without(fields: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in fields.items()
        if name not in defaults or value != defaults[name]
    }


def request_digest(request: Request) -> str:
    """Sixteen hexadecimal digits over everything in a request, pictures by their pixels.

    Example:
        >>> from harness.records import AnswerRequest
        >>> a, b = AnswerRequest(prompt="Hi", seed=1), AnswerRequest(prompt="Hi", seed=2)
        >>> request_digest(a) == request_digest(b)
        False
    """
    content = type(request).__name__.encode() + _encode(_told(request))
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
