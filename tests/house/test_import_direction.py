"""The layering rules, proven on the real import graph and on violations made for the purpose."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )


def test_the_tree_keeps_the_import_direction():
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [("harness", "tasks"), ("harness", "model_adapters"), ("tasks", "model_adapters")],
)
def test_a_violation_is_caught(tmp_path: Path, importer: str, imported: str):
    for package in ("harness", "tasks", "model_adapters"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / importer / "bad.py").write_text(f"import {imported}\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    result = _lint(tmp_path)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout
