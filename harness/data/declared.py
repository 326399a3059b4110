"""Data files that registered tasks declare."""

from __future__ import annotations

from typing import NamedTuple

from harness.errors import AdapterError, DataError, UnknownNameError
from harness.names import suggest
from harness.records import DataFile
from harness.registry import tasks

__all__ = ["Declared", "chosen_files", "declared_files"]


class Declared(NamedTuple):
    """A data file and who reads it."""

    file: DataFile
    """The file."""

    tasks: tuple[str, ...]
    """Names of the tasks."""


def declared_files() -> list[Declared]:
    """All data files of all registered tasks, by name; a task that can't be imported has none.

    Raises:
        DataError: Two tasks declare one file differently.
    """
    found: dict[tuple[str, str], Declared] = {}
    for name in tasks():
        for file in _files(name):
            key = (file.name, file.file)
            known = found.get(key, Declared(file, ()))
            if known.file != file:
                raise DataError(
                    f"tasks {known.tasks[0]!r} and {name!r} declare {file.name}/{file.file} "
                    "differently",
                    "let both use one DataFile record",
                )
            found[key] = Declared(file, (*known.tasks, name))
    return [found[key] for key in sorted(found)]


def chosen_files(names: tuple[str, ...]) -> list[Declared]:
    """The files of the named data sets and tasks; of all, without names.

    Raises:
        UnknownNameError: No task and no data set has that name.
        DataError: Two tasks declare one file differently.
    """
    known = declared_files()
    for name in names:
        if not any(_is_meant(name, item) for item in known):
            raise _unknown(name, known)
    return [d for d in known if not names or any(_is_meant(name, d) for name in names)]


def _is_meant(name: str, item: Declared) -> bool:
    return name == item.file.name or name in item.tasks


def _unknown(name: str, known: list[Declared]) -> UnknownNameError:
    if name in tasks():
        return UnknownNameError(
            f"task {name!r} declares no data file",
            "it needs none, or takes one as an option: see docs/tasks.md",
        )
    names = [word for item in known for word in (item.file.name, *item.tasks)]
    remedy = suggest(name, names) or "`cheers-bench data list` shows them"
    return UnknownNameError(f"unknown data set {name!r}", remedy)


def _files(task: str) -> tuple[DataFile, ...]:
    try:
        return tasks().get(task).metadata.files
    except AdapterError:  # `cheers-bench doctor` reports it
        return ()
