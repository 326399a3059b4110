"""Machine and software of a run, and command lines without secrets."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.records import Environment, JsonValue

__all__ = ["capture", "without_secret_values", "without_secrets"]

PACKAGES = (
    "cheers-bench",
    "datasets",
    "diffusers",
    "huggingface_hub",
    "lm_eval",
    "mmdet",
    "msgspec",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
    "rapidocr",
    "safetensors",
    "scikit-image",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)
"""Packages that scores may depend on; those that aren't installed are left out."""

_HIDDEN = "***"
_SECRET_NAME = re.compile(
    # `token` but not `tokens`: max_new_tokens is no secret.
    r"(?:^|[-_.])(?:token|secrets?|password|passwd|credentials?|(?:api|access|auth)?[-_]?keys?)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{8,}|github_pat_\w{8,}"
    r"|AKIA[0-9A-Z]{12,}|(?<=://)[^/@\s]+(?=@)"
)


def capture() -> Environment:
    """Describe this machine; imports nothing heavy, so a GPU is named only if torch is in use."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages=_packages(),
        cpu=_cpu(),
        threads=_threads(),
        gpu=_gpu(),
        commit=_commit(Path(__file__).resolve().parents[1]),
    )


def without_secrets(command: Sequence[str]) -> tuple[str, ...]:
    """Command line with secrets replaced by `***`.

    Hidden are the values of options whose names end in token, key, password and the like
    (`--hf-token X`, `--hf-token=X`, `api_key=X`), well-known key formats, and users and passwords
    in addresses.

    Example:
        >>> without_secrets(["run", "--model-arg", "api_key=abc", "--token", "t", "--seed", "1"])
        ('run', '--model-arg', 'api_key=***', '--token', '***', '--seed', '1')
    """
    shown: list[str] = []
    hide_next = False
    for word in command:
        shown.append(_HIDDEN if hide_next and not word.startswith("--") else _word(word))
        hide_next = word.startswith("-") and "=" not in word and _is_secret(word.lstrip("-"))
    return tuple(shown)


def without_secret_values(arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Model arguments with secrets replaced by `***`.

    Example:
        >>> without_secret_values({"path": "a", "token": "hf_abcdefghijk"})
        {'path': 'a', 'token': '***'}
    """
    return {
        name: _HIDDEN if _is_secret(name) and value is not None else _value(value)
        for name, value in arguments.items()
    }


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name))


def _word(word: str) -> str:
    name, equals, value = word.partition("=")
    if equals and value and _is_secret(name.lstrip("-")):
        return f"{name}={_HIDDEN}"
    return _SECRET_VALUE.sub(_HIDDEN, word)


def _value(value: JsonValue) -> JsonValue:
    return _SECRET_VALUE.sub(_HIDDEN, value) if isinstance(value, str) else value


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def _threads() -> int:
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() else os.cpu_count() or 1


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names)


def _commit(source: Path) -> str | None:
    if not (source / ".git").exists():
        return None  # installed from a wheel
    head = _git(source, "rev-parse", "HEAD")
    changed = _git(source, "status", "--porcelain", "--untracked-files=no")
    return f"{head}+dirty" if head and changed else head


def _git(source: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 -- fixed arguments
            ["git", "-C", str(source), *arguments],  # noqa: S607 -- the user's own git
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
