"""A plug-in of pytest: the rules of adapters as tests of anybody's package.

It's there wherever cheers-bench is installed. A test that asks for `adapter_rule` runs once for
each check; it gets a function that takes the adapter.

    @pytest.fixture(scope="session")
    def adapter():
        return MyModel()

    def test_rules(adapter_rule, adapter):
        adapter_rule(adapter)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter
    from harness.conformance import Tolerance

__all__ = ["adapter_rule", "pytest_addoption", "pytest_generate_tests"]

_FIXTURE = "adapter_rule"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say when responses count as equal, and how long drawings take."""
    group = parser.getgroup("cheers-bench", "rules of model adapters")
    group.addoption(
        "--adapter-steps", type=int, metavar="N", help="denoising steps of drawings in adapter_rule"
    )
    group.addoption(
        "--adapter-nats", type=float, metavar="X", help="log-likelihoods may differ by so much"
    )
    group.addoption(
        "--adapter-levels", type=int, metavar="N", help="pixels may differ by so many levels of 255"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `adapter_rule` once for each check."""
    if _FIXTURE in metafunc.fixturenames:
        from harness.conformance import CHECKS

        metafunc.parametrize(_FIXTURE, CHECKS, ids=[check.name for check in CHECKS], indirect=True)


@pytest.fixture
def adapter_rule(request: pytest.FixtureRequest) -> Callable[[ModelAdapter], None]:
    """One check: fails with what is wrong, skips what can't be asked of the adapter."""
    from harness.conformance import Status, run_check
    from harness.conformance.subject import Subject

    tolerance, steps = _tolerance(request.config), request.config.getoption("--adapter-steps")

    def demand(adapter: ModelAdapter) -> None:
        finding = run_check(request.param, Subject(adapter, tolerance, steps))
        if finding.status is Status.NOT_APPLICABLE:
            pytest.skip(finding.detail)
        if finding.status is Status.FAILED:
            pytest.fail(f"{finding.check}: {finding.detail}", pytrace=False)

    return demand


def _tolerance(config: pytest.Config) -> Tolerance:
    from harness.conformance import Tolerance

    plain = Tolerance()
    nats, levels = config.getoption("--adapter-nats"), config.getoption("--adapter-levels")
    return Tolerance(
        nats=plain.nats if nats is None else nats,
        levels=plain.levels if levels is None else levels,
        mebibytes=plain.mebibytes,
    )
