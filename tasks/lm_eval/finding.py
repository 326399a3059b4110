"""From a name to the YAML file that defines the task, without lm-eval's index.

lm-eval parses its 14,000 YAML files to find one, which takes seconds. The names are found here by
one look at the text of each file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from harness.errors import AdapterError, SpecError, UnknownNameError
from harness.names import suggest

__all__ = ["find", "known_names", "package_tasks"]

_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(
    rb"""^\s*["']?(?:task|group)["']?\s*:\s*["']?([^"'\s#\[{]+)["']?\s*(?:\#.*)?$""", re.MULTILINE
)


def find(rest: str) -> Path:
    """The file of a task.

    Args:
        rest: Name of a task of the package, or path of a YAML file.

    Raises:
        AdapterError: lm_eval isn't installed.
        UnknownNameError: The package has no task of that name.
        SpecError: There is no such file.
    """
    folder = package_tasks()
    if rest.endswith(_SUFFIXES):
        path = Path(rest).expanduser()
        if not path.is_file():
            raise SpecError(f"lm_eval:{rest}: there is no file {path}", "name a task's YAML file")
        return path.resolve()
    known = known_names(folder)
    if rest not in known:
        hint = suggest(rest, known) or "`lm_eval ls tasks` shows them; a file's name ends in .yaml"
        raise UnknownNameError(f"lm_eval has no task {rest!r}", hint)
    return known[rest]


def package_tasks() -> Path:
    """The folder of the tasks that the package brings; nothing of it is imported.

    Raises:
        AdapterError: lm_eval isn't installed.
    """
    spec = find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        raise AdapterError(
            "tasks of lm_eval need the package lm_eval, which isn't installed",
            "pip install 'cheers-bench[lm-eval]'",
        )
    return Path(spec.submodule_search_locations[0]) / "tasks"


@cache
def known_names(folder: Path) -> dict[str, Path]:
    """File of each task and group; of a name that occurs twice lm-eval takes the first file."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml"), key=Path.as_posix):
        for name in _declared(path):
            found.setdefault(name, path)
    return found


def _declared(path: Path) -> Iterator[str]:
    for match in _NAME.finditer(path.read_bytes()):
        yield match[1].decode(errors="replace")
