from __future__ import annotations

import subprocess
import sys

import pytest

from model_adapters import cheers


@pytest.mark.parametrize("module", ["model_adapters", "model_adapters.cheers"])
def test_importing_the_package_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_exists() -> None:
    for name in cheers.__all__:
        assert getattr(cheers, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cheers.nothing  # noqa: B018
