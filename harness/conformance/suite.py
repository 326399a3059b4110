"""All checks, and running them."""

from __future__ import annotations

from collections.abc import Iterator

from harness.adapter import ModelAdapter
from harness.conformance.batches import batch_invariance, contract, leakage
from harness.conformance.interrupts import cancellation
from harness.conformance.memory import memory
from harness.conformance.pictures import picture_modes, picture_shapes
from harness.conformance.randomness import seed_determinism
from harness.conformance.records import Check, Finding, NotApplicable, Status, Tolerance, WrongError
from harness.conformance.subject import Subject
from harness.conformance.texts import length_limit, odd_prompts, stop_strings

__all__ = ["CHECKS", "check_adapter", "run_check"]


CHECKS: tuple[Check, ...] = tuple(
    Check(name, (run.__doc__ or "").strip(), run)
    for name, run in {
        "contract": contract,
        "batch-invariance": batch_invariance,
        "seed-determinism": seed_determinism,
        "leakage": leakage,
        "length-limit": length_limit,
        "stop-strings": stop_strings,
        "odd-prompts": odd_prompts,
        "picture-modes": picture_modes,
        "picture-shapes": picture_shapes,
        "cancellation": cancellation,
        "memory": memory,
    }.items()
)
"""Every check, in the order of the table."""


def check_adapter(
    adapter: ModelAdapter, tolerance: Tolerance | None = None, steps: int | None = None
) -> Iterator[Finding]:
    """Run every check on an adapter, one finding after the other.

    Args:
        adapter: A built adapter; it is left usable.
        tolerance: When two responses count as equal.
        steps: Denoising steps of drawings; `None` leaves them to the model.
    """
    subject = Subject(adapter, tolerance, steps)
    for check in CHECKS:
        yield run_check(check, subject)


def run_check(check: Check, subject: Subject | ModelAdapter) -> Finding:
    """Run one check; whatever the adapter raises is a finding.

    Args:
        check: One of `CHECKS`.
        subject: An adapter, or a `Subject` that holds it with a tolerance.
    """
    looked_at = subject if isinstance(subject, Subject) else Subject(subject)
    try:
        status, detail = Status.PASSED, check.run(looked_at)
    except NotApplicable as error:
        status, detail = Status.NOT_APPLICABLE, str(error)
    except WrongError as error:
        status, detail = Status.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 -- an adapter may raise anything
        status, detail = Status.FAILED, f"{type(error).__name__}: {error}"
    return Finding(check=check.name, status=status, detail=detail)
