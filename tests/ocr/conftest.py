"""One rapidocr for all tests: it takes a second to load."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.judges.ocr.rapid import RapidReader


@pytest.fixture(scope="session")
def rapid() -> RapidReader:
    return RapidReader()


@pytest.fixture(autouse=True)
def _no_canaries_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHEERS_BENCH_CANARIES", str(tmp_path / "canaries"))


@pytest.fixture
def needs_tesseract() -> None:
    if shutil.which("tesseract") is None:
        pytest.skip("needs the program tesseract: `apt-get install tesseract-ocr`")
