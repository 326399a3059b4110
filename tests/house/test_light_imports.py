"""Importing the engine, the tasks and the adapters' package loads no heavy library."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "transformers", "PIL", "scipy", "skimage", "cv2", "pyarrow")


@pytest.mark.parametrize("package", ["harness", "harness.registry", "tasks", "model_adapters"])
def test_import_is_light(package: str):
    code = f"import {package}, sys; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
