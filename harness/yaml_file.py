"""YAML files that users write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import SpecError

__all__ = ["read_yaml"]


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; an empty one holds an empty mapping.

    Raises:
        SpecError: It can't be read, or isn't valid.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}", "name a file that can be read") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} isn't valid YAML: {error}", "mend it at that place") from error
