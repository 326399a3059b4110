"""What differs between the models behind two runs."""

from __future__ import annotations

from collections.abc import Iterator

from harness.gate.policy import Policy
from harness.gate.records import Changed
from harness.records import Fingerprint

__all__ = ["changes"]


def changes(first: Fingerprint, second: Fingerprint, policy: Policy) -> Iterator[Changed]:
    """Fields of the fingerprint that differ; those that the policy wants the same fail the gate."""
    from harness.run.folder import differences

    for name in Fingerprint.__struct_fields__:
        lines = differences({name: getattr(first, name)}, {name: getattr(second, name)})
        if lines:
            details = tuple(line.strip() for line in lines)
            yield Changed(field=name, details=details, fails=name in policy.same)
