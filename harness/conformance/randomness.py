"""What is random is a function of the request's seed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.conformance.records import WrongError
from harness.conformance.subject import Subject
from harness.records import Capability, Response, TextDecoding

__all__ = ["seed_determinism"]

_WARM = TextDecoding(max_new_tokens=8, temperature=1.0)


def seed_determinism(subject: Subject) -> str:
    """Equal seeds give equal responses, whatever the global generators hold."""
    kinds = (Capability.ANSWER, Capability.GENERATE_IMAGE, Capability.EDIT_IMAGE)
    said = []
    for capability in subject.demand(*kinds):
        first, again = (_asked(subject, capability, 0, state) for state in (1, 2))
        for index, what in subject.differences(first, again):
            raise WrongError(
                f"{capability.value}: request {index} with one seed gives two responses: {what}; "
                "draw from a generator of the request's seed, never from a global one"
            )
        other = _asked(subject, capability, 1000, 1)
        moved = any(subject.differences(first, other))
        said.append(f"{capability.value} {'follows' if moved else 'ignores'} the seed")
    return ", ".join(said)


def _asked(subject: Subject, capability: Capability, shift: int, state: int) -> list[Response]:
    fields: dict[str, Any] = {"decoding": _WARM} if capability is Capability.ANSWER else {}
    requests = [
        subject.request(capability, index, seed=100 + index + shift, **fields) for index in (0, 3)
    ]
    with _global_generators(state):
        return subject.alone(requests)


@contextmanager
def _global_generators(state: int) -> Iterator[None]:
    """Put Python's, numpy's and torch's global generators into a state, and back afterwards."""
    import numpy as np

    torch = sys.modules.get("torch")
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 -- what is to be left alone
    kept = None if torch is None else torch.get_rng_state()
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002
    if torch is not None:
        torch.manual_seed(state)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        if torch is not None and kept is not None:
            torch.set_rng_state(kept)
