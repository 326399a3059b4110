"""Checks that every model adapter should pass, for the command line and for anybody's tests."""

from harness.conformance.closing import CLOSING, check_closing
from harness.conformance.records import Check, Finding, Status, Tolerance
from harness.conformance.subject import difference
from harness.conformance.suite import CHECKS, check_adapter, run_check

__all__ = [
    "CHECKS",
    "CLOSING",
    "Check",
    "Finding",
    "Status",
    "Tolerance",
    "check_adapter",
    "check_closing",
    "difference",
    "run_check",
]
