"""Reading a task's YAML with its includes, without running anything that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from harness.errors import SpecError
from tasks.lm_eval.finding import package_tasks

__all__ = ["Code", "Source", "codes", "read"]


class Code(NamedTuple):
    """A function that a file names with `!function`; lm-eval would import it."""

    reference: str
    """Module and function, as written."""

    file: Path
    """The file that names it."""

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.reference.rpartition(".")[2]


class Source(NamedTuple):
    """A task as its files describe it."""

    rest: str
    """What users write behind `lm_eval:`."""

    path: Path
    """The task's file."""

    config: dict[str, Any]
    """The merged configuration; functions are `Code`."""

    foreign: frozenset[Path]
    """Those of the files read that aren't lm_eval's own."""

    @property
    def name(self) -> str:
        """The whole registry name."""
        return f"lm_eval:{self.rest}"


def read(path: Path, rest: str) -> Source:
    """Read a task's file and what it includes.

    Args:
        path: The file.
        rest: What the user wrote.

    Raises:
        SpecError: A file is missing or isn't a YAML mapping, or includes itself.
    """
    files: dict[Path, None] = {}
    config = _merged(path.resolve(), files)
    own = package_tasks().resolve()
    foreign = frozenset(file for file in files if not file.is_relative_to(own))
    return Source(rest, path.resolve(), config, foreign)


def codes(value: Any) -> Iterator[Code]:
    """Every function that a configuration names, however deep."""
    if isinstance(value, Code):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from codes(part)
    elif isinstance(value, list):
        for part in value:
            yield from codes(part)


def _merged(path: Path, files: dict[Path, None]) -> dict[str, Any]:
    """The configuration of a file over those that it includes, as lm-eval merges them."""
    if path in files:
        raise SpecError(f"{path} includes itself", "remove the circle of includes")
    files[path] = None
    config = _parsed(path)
    includes = config.pop("include", [])
    merged: dict[str, Any] = {}
    for name in includes if isinstance(includes, list) else [includes]:
        included = _merged((path.parent / str(name)).resolve(), files)
        included.pop("task_list", None)
        merged.update(included)
    return {**merged, **config}


def _parsed(path: Path) -> dict[str, Any]:
    class Loader(yaml.SafeLoader):
        """Knows `!function`, and notes instead of importing."""

    def note(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Code:
        return Code(str(loader.construct_scalar(node)), path)

    Loader.add_constructor("!function", note)
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 -- a SafeLoader
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}", "name a file that can be read") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} isn't valid YAML: {error}", "mend it at that place") from error
    if not isinstance(config, dict):
        raise SpecError(f"{path} holds no mapping", "a task's file has keys such as `task`")
    return config
