"""What is known about a model: its card and, once built, weights, parts and vision tokens."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import msgspec

from harness.adapter import ModelAdapter, VisionTokens
from harness.errors import BenchError
from harness.models import build_model, find_model
from harness.records import Capability, Fingerprint, ModelCard, Record
from harness.runspec import ModelRef

__all__ = ["RESOLUTIONS", "Built", "ModelReport", "report_model"]

RESOLUTIONS = ((256, 256), (512, 512), (1024, 1024), (1024, 512))
"""Widths and heights for which vision tokens are told where nobody names others."""


class Built(Record, frozen=True, kw_only=True):
    """What only a built model can say."""

    fingerprint: Fingerprint
    """Weights, configuration, decoding defaults, dtype and device."""

    parameters: Mapping[str, int]
    """Number of parameters by part of the model; empty if the adapter doesn't tell."""

    batch_sizes: Mapping[str, int]
    """Requests per batch by capability, where the user names no number."""

    vision_tokens: tuple[VisionTokens, ...]
    """Account of a picture of each resolution; empty if the adapter gives none."""


class ModelReport(Record, frozen=True, kw_only=True):
    """A model, as far as it's known."""

    name: str
    """The model as users write it."""

    arguments: Mapping[str, str]
    """Arguments that it takes, with their defaults as Python writes them."""

    card: ModelCard | None
    """Its card; `None` for a factory that has none before it's called."""

    built: Built | None = None
    """What the built model says; `None` if it wasn't built."""

    problem: str = ""
    """Why it wasn't built."""


def report_model(
    ref: ModelRef, resolutions: Sequence[tuple[int, int]] = RESOLUTIONS
) -> ModelReport:
    """Gather what a model says about itself.

    A model that can't be built without arguments, such as one that needs a checkpoint, is described
    as far as its card goes.

    Args:
        ref: The model and its arguments.
        resolutions: Widths and heights for the account of vision tokens.

    Raises:
        UnknownNameError: No model has that name.
        AdapterError: It can't be imported, or it can't be built though arguments are given.
        SpecError: It doesn't take these arguments.
    """
    factory = find_model(ref.name)
    report = ModelReport(
        name=ref.name, arguments=_arguments(factory), card=getattr(factory, "card", None)
    )
    try:
        adapter = build_model(ref)
    except BenchError as error:
        if ref.args:
            raise
        return msgspec.structs.replace(report, problem=str(error))
    try:
        built = _built(adapter, resolutions)
        return msgspec.structs.replace(report, card=adapter.card, built=built)
    finally:
        adapter.close()


def _arguments(factory: object) -> dict[str, str]:
    parameters = inspect.signature(factory).parameters.values()  # type: ignore[arg-type]
    return {p.name: "" if p.default is p.empty else repr(p.default) for p in parameters}


def _built(adapter: ModelAdapter, resolutions: Sequence[tuple[int, int]]) -> Built:
    can = adapter.card.capabilities
    accounted = resolutions if Capability.VISION_TOKENS in can else ()
    return Built(
        fingerprint=adapter.fingerprint(),
        parameters=dict(adapter.parameters_by_part()),
        batch_sizes={c.value: adapter.preferred_batch_size(c) for c in sorted(can) if _asked(c)},
        vision_tokens=tuple(adapter.vision_tokens(*size) for size in accounted),
    )


def _asked(capability: Capability) -> bool:
    """Whether there are requests of this kind."""
    return capability not in (Capability.VISION_TOKENS, Capability.RAW_TEXT)
