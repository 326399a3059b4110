"""What travels between driver and workers: numbers, text and bytes, in the ledger's own rows.

Nothing here is a picture object or a tensor. A picture travels as the bytes of its PNG in a numpy
array, which the object store takes and hands out without copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from harness.ledger import Answered, Pending
from harness.ledger.rows import response_from, response_row, sample_from, sample_row
from harness.records import (
    Environment,
    Fingerprint,
    JsonValue,
    ModelCard,
    Record,
    Response,
    StoredResponse,
)
from harness.run.recording import stored
from harness.run.restoring import with_image
from harness.runspec import ModelRef

if TYPE_CHECKING:
    import numpy as np

    Bytes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]

__all__ = [
    "Earlier",
    "Report",
    "Row",
    "Setup",
    "TaskSetup",
    "WorkerHello",
    "as_array",
    "decode_hello",
    "decode_setup",
    "encode",
    "pack_answered",
    "pack_earlier",
    "pack_pending",
    "unpack_answered",
    "unpack_earlier",
    "unpack_pending",
]

Row: TypeAlias = tuple[Any, ...]
Earlier: TypeAlias = tuple[Row, Any] | str | None
"""The response that a sample follows, as its row and its pixels; why there is none; or nothing."""


class TaskSetup(Record, frozen=True, kw_only=True):
    """A task as a worker builds it."""

    options: dict[str, JsonValue]
    """Task options."""

    limit: int | None
    """Samples to take; a probe's number of rounds."""


class Setup(Record, frozen=True, kw_only=True):
    """All that a worker needs before its first shard."""

    model: ModelRef
    """The model; workers that judge don't build it."""

    tasks: dict[str, TaskSetup]
    """Tasks by name."""

    seed: int
    """Base seed."""

    batch_size: int | None
    """The user's batch size."""

    folder: str
    """The driver's working folder, which relative paths start from."""

    variables: dict[str, str]
    """Environment variables of this program, set for the worker too."""

    environment: Environment
    """The driver's software, which the worker's must equal."""


class WorkerHello(Record, frozen=True, kw_only=True):
    """What a worker with a model says about itself."""

    card: ModelCard
    """Card of the model."""

    fingerprint: Fingerprint
    """Fingerprint of the model."""

    batch_sizes: dict[str, int]
    """Full batch of each capability that the model declares."""


class Report(NamedTuple):
    """What became of one sample."""

    n: int
    """Row number."""

    digest: str = ""
    """Digest of the request; empty if none could be made."""

    prompt: str = ""
    """Prompt of the request."""

    response: Row | None = None
    """The response as a row of the ledger."""

    picture: Bytes | None = None
    """PNG that the response names."""

    error: str | None = None
    """Why there is no response."""

    outcome: Row | None = None
    """Verdict of a measurement or a judge, as a row of the ledger."""


def encode(record: Record) -> bytes:
    """A record as bytes."""
    return msgspec.json.encode(record)


def decode_setup(data: bytes) -> Setup:
    """The setup that `encode` wrote."""
    return msgspec.json.decode(data, type=Setup)


def decode_hello(data: bytes) -> WorkerHello:
    """The hello that `encode` wrote."""
    return msgspec.json.decode(data, type=WorkerHello)


def as_array(data: bytes) -> Bytes:
    """Bytes as an array, which the object store keeps apart from the message around it."""
    import numpy as np

    return np.frombuffer(data, np.uint8)


def pack_pending(pending: Sequence[Pending]) -> list[Row]:
    """Samples to be asked about."""
    return [(n, *sample_row(sample)) for n, sample in pending]


def unpack_pending(rows: Sequence[Row]) -> list[Pending]:
    """The samples of `pack_pending`."""
    return [Pending(row[0], sample_from(row[1:])) for row in rows]


def pack_earlier(earlier: Response | str | None) -> Earlier:
    """A response that others follow, with its pixels; a reason why there is none stays as it is."""
    if not isinstance(earlier, Response):
        return earlier
    import numpy as np

    pixels = None if earlier.image is None else np.asarray(earlier.image, np.uint8)
    return response_row(stored(earlier, None, None)), pixels


def unpack_earlier(packed: Earlier) -> Response | str | None:
    """What `pack_earlier` was given."""
    if packed is None or isinstance(packed, str):
        return packed
    from PIL import Image

    row, pixels = packed
    return with_image(response_from(row), None if pixels is None else Image.fromarray(pixels))


def pack_answered(answered: Sequence[Answered]) -> list[Row]:
    """Samples to be judged, without their pictures; each has a response."""
    return [
        (item.n, sample_row(item.sample), response_row(item.response or StoredResponse()))
        for item in answered
    ]


def unpack_answered(rows: Sequence[Row]) -> list[Answered]:
    """The samples of `pack_answered`."""
    return [
        Answered(n, sample_from(sample), response_from(response), None)
        for n, sample, response in rows
    ]
