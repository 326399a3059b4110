"""A response depends on its request, not on what else is in the batch or was asked before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.conformance.records import WrongError
from harness.conformance.subject import Subject
from harness.errors import BenchError
from harness.records import Capability, ImageDecoding, TextDecoding
from harness.records.base import canonical_json

__all__ = ["batch_invariance", "contract", "leakage"]


def contract(subject: Subject) -> str:
    """Every declared capability gives responses of its kind; the fingerprint is stable."""
    for capability in subject.capabilities:
        subject.together(subject.requests(capability))
    first, again = (canonical_json(subject.adapter.fingerprint()) for _ in range(2))
    if first != again:
        raise WrongError("the fingerprint changes from call to call")
    return _names(subject.capabilities)


def batch_invariance(subject: Subject) -> str:
    """Alone, together and in another order: one request, one response."""
    for capability in subject.capabilities:
        requests = subject.requests(capability)
        alone = subject.alone(requests)
        _demand_equal(subject, capability, alone, subject.together(requests), "in a batch")
        backwards = subject.together(requests[::-1])[::-1]
        _demand_equal(subject, capability, alone, backwards, "in a batch in another order")
    return _names(subject.capabilities)


def leakage(subject: Subject) -> str:
    """Calls with other settings, and calls that fail, leave nothing behind."""
    asked = subject.demand(Capability.ANSWER, Capability.LOGLIKELIHOOD, Capability.GENERATE_IMAGE)
    before = {capability: _first(subject, capability) for capability in asked}
    for capability in asked:
        _disturb(subject, capability)
    for capability in asked:
        after = _first(subject, capability)
        _demand_equal(subject, capability, before[capability], after, "after other settings")
    return _names(asked)


def _first(subject: Subject, capability: Capability) -> Any:
    return subject.alone([subject.request(capability, 0), subject.request(capability, 3)])


_OTHERS = (
    TextDecoding(max_new_tokens=2, temperature=2.0, top_p=0.5, stop=("e", " ")),
    TextDecoding(max_new_tokens=12, num_beams=2),
)


def _disturb(subject: Subject, capability: Capability) -> None:
    """Ask with settings far from the usual ones; a refusal is part of the disturbance."""
    settings: Sequence[Any] = _OTHERS
    if capability is Capability.GENERATE_IMAGE:
        settings = (ImageDecoding(steps=1, cfg_scale=1.0, alpha=1.0), ImageDecoding(width=3))
    for decoding in settings:
        for index in (1, 2):
            try:
                subject.alone([subject.request(capability, index, decoding=decoding)])
            except BenchError:
                continue


def _demand_equal(
    subject: Subject, capability: Capability, first: Any, second: Any, when: str
) -> None:
    for index, said in subject.differences(first, second):
        raise WrongError(
            f"{capability.value}: request {index} gives another response {when}: {said}"
        )


def _names(capabilities: Sequence[Capability]) -> str:
    return ", ".join(capability.value for capability in capabilities)
