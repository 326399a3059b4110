"""Golden cases as test parameters, one test per case, named by the case's id.

The folder is that of the environment variable CHEERS_BENCH_GOLDEN, by default tests/golden. What a
folder hasn't got is skipped by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.parity.places import golden_root

MARKER = "golden_cases(file, **having): run once per line of a golden JSON-lines file"


def golden_cases(file: str, having: Mapping[str, Any]) -> list[Any]:
    path = golden_root() / file
    if not path.is_file():
        return [_absent(file, f"{file} isn't in the golden folder {golden_root()}")]
    with path.open(encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines if line.strip()]
    chosen = [case for case in cases if all(case.get(key) == having[key] for key in having)]
    if not chosen:
        return [_absent(file, f"{file} in {golden_root()} has no case with {having}")]
    return [pytest.param(case, id=str(case["id"])) for case in chosen]


def _absent(file: str, reason: str) -> Any:
    return pytest.param(None, id=file, marks=pytest.mark.skip(reason=reason))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("golden_cases")
    if marker is not None:
        (file,) = marker.args
        metafunc.parametrize("case", golden_cases(file, marker.kwargs))
