"""Asking a judging model many requests, in the batches that it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from harness.adapter import ModelAdapter, perform
from harness.errors import ProtocolMismatchError, SpecError
from harness.models import build_model, model_ref
from harness.records import (
    Capability,
    Fingerprint,
    Identity,
    JsonValue,
    Request,
    Response,
)
from harness.runspec import ModelRef

__all__ = ["JudgeModel", "ask_all", "build_judge", "judge_identity"]


class JudgeModel:
    """A judging model that is in memory only while it judges.

    What it is has to be known before the model under test is asked, and both may not fit into one
    GPU. So it's built once to be identified, let go, and built again when it's asked.

    Args:
        ref: The model and its arguments.
        fingerprint: What it was found to be.
    """

    def __init__(self, ref: ModelRef, fingerprint: Fingerprint) -> None:
        self._ref, self.fingerprint = ref, fingerprint
        self._adapter: ModelAdapter | None = None

    def load(self) -> ModelAdapter:
        """The model, in memory.

        Raises:
            BenchError: It can't be built.
            ProtocolMismatchError: It isn't what it was when it was identified.
        """
        if self._adapter is None:
            adapter = build_model(self._ref)
            if adapter.fingerprint() != self.fingerprint:
                raise ProtocolMismatchError(
                    f"judge {self._ref.name!r} has changed since the run was planned",
                    "leave its files alone while a run goes on, and start again",
                )
            self._adapter = adapter
        return self._adapter

    def ask(self, requests: Sequence[Request]) -> list[Response]:
        """Its responses; see `ask_all`."""
        return ask_all(self.load(), requests)


def build_judge(
    model: str, args: Mapping[str, JsonValue], template: str, capability: Capability, lack: str
) -> JudgeModel:
    """Identify a registered model that is to judge.

    Args:
        model: The model as users write it: `NAME`, `NAME:LOCATION` or `FILE.py:CLASS`.
        args: Its arguments.
        template: What it's asked; `{question}` stands for the question.
        capability: What it must be able to do.
        lack: What a model without that capability can't do, for the message.

    Raises:
        SpecError: The template has no `{question}`, or the model lacks the capability.
        BenchError: The model can't be built.
    """
    if "{question}" not in template:
        raise SpecError(f"judge template {template!r} has no {{question}}", "put it in")
    ref = model_ref(model, args)
    adapter = build_model(ref)
    if capability not in adapter.card.capabilities:
        raise SpecError(
            f"{model!r} {lack}",
            f"name a judge with the capability {capability.value}; see `cheers-bench list models`",
        )
    fingerprint = adapter.fingerprint()
    adapter.close()
    return JudgeModel(ref, fingerprint)


def judge_identity(judge: JudgeModel, settings: Mapping[str, JsonValue]) -> Identity:
    """Name, code version, weights and configuration of a judging model, and how it's asked."""
    fingerprint = judge.fingerprint
    return Identity(
        id=fingerprint.model,
        version=fingerprint.code_version,
        weights_sha256=fingerprint.weights_sha256,
        settings={
            **settings,
            "dtype": fingerprint.dtype,
            "config": dict(fingerprint.config),
        },
    )


def ask_all(adapter: ModelAdapter, requests: Sequence[Request]) -> list[Response]:
    """The responses to requests of one kind and decoding, in order.

    Batches are as large as the adapter prefers, and hold only requests of one `batch_key`.

    Raises:
        ValueError: The adapter doesn't give one response for each request.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        groups[adapter.batch_key(request)].append(index)
    found: dict[int, Response] = {}
    for group in groups.values():
        size = max(1, adapter.preferred_batch_size(requests[group[0]].capability))
        for start in range(0, len(group), size):
            part = group[start : start + size]
            responses = perform(adapter, [requests[index] for index in part])
            found.update(zip(part, responses, strict=True))
    return [found[index] for index in range(len(requests))]
