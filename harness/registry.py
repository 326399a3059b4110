"""Lazy registries of tasks, models and suites, filled from entry points.

Our own tasks and adapters are entry points of this distribution, exactly like those of a
third-party package, so nothing here knows any of them. An entry is imported when it's used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.errors import AdapterError, UnknownNameError
from harness.names import suggest
from harness.records import Suite

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter
    from harness.export import Exporter
    from harness.family import TaskFamily
    from harness.task import Task

__all__ = ["Registry", "TaskRegistry", "exports", "models", "suites", "task_families", "tasks"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Named objects of one kind, imported on first use.

    Args:
        kind: What one entry is called in messages, e.g. `task`.
        group: Entry-point group.
        plural: What several are called; `None` appends an s.
    """

    def __init__(self, kind: str, group: str, plural: str | None = None) -> None:
        self.kind = kind
        self.plural = plural or f"{kind}s"
        self.group = group
        self._entries: dict[str, EntryPoint] | None = None
        self._added: dict[str, T] = {}

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted({*self._found(), *self._added})

    def __contains__(self, name: str) -> bool:
        return name in self._added or name in self._found()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def origin(self, name: str) -> str:
        """Distribution that registered `name`, for `list` and `doctor`."""
        entry = self._found().get(name)
        return entry.dist.name if entry is not None and entry.dist is not None else "this process"

    def add(self, name: str, value: T) -> None:
        """Register an object in this process only, e.g. from a notebook or a test.

        Raises:
            UnknownNameError: The name is taken.
        """
        if name in self:
            raise UnknownNameError(
                f"{self.kind} {name!r} is already registered by {self.origin(name)}",
                "choose another name",
            )
        self._added[name] = value

    def get(self, name: str) -> T:
        """Import and return one entry.

        Raises:
            UnknownNameError: No entry has that name; the remedy names close ones.
            AdapterError: The entry exists but its import failed.
        """
        if name in self._added:
            return self._added[name]
        entry = self._found().get(name)
        if entry is None:
            remedy = suggest(name, self.names()) or f"`cheers-bench list {self.plural}` shows them"
            raise UnknownNameError(f"unknown {self.kind} {name!r}", remedy)
        return self._load(entry)

    def _load(self, entry: EntryPoint) -> T:
        try:
            value: T = entry.load()
        except (ImportError, AttributeError) as error:
            raise AdapterError(
                f"{self.kind} {entry.name!r} ({entry.value}) can't be imported: {error}",
                "install what its package needs; `cheers-bench doctor` names what is missing",
            ) from error
        return value

    def _found(self) -> dict[str, EntryPoint]:
        if self._entries is None:
            self._entries = {entry.name: entry for entry in _installed().select(group=self.group)}
        return self._entries


@cache
def _installed() -> Any:
    # All groups at once: each call reads a file of every distribution. Its class differs between
    # versions of Python; `select` doesn't.
    return entry_points()


class TaskRegistry(Registry["type[Task]"]):
    """Tasks by name, and those that a family makes on demand: `FAMILY:REST`.

    `names` lists the former alone; a family's tasks may be too many to list.

    Args:
        kind: See `Registry`.
        group: See `Registry`.
        families: The families.
    """

    def __init__(self, kind: str, group: str, families: Registry[TaskFamily]) -> None:
        super().__init__(kind, group)
        self._families = families
        self._made: dict[str, type[Task]] = {}

    def __contains__(self, name: str) -> bool:
        return super().__contains__(name) or name.partition(":")[0] in self._families

    def get(self, name: str) -> type[Task]:
        """Import a task, or have its family make it.

        Raises:
            UnknownNameError: No task and no family has that name, or the family has no such task.
            AdapterError: The entry exists but its import failed.
        """
        family, colon, rest = name.partition(":")
        if super().__contains__(name):
            return super().get(name)
        if not colon and name in self._families:
            raise UnknownNameError(f"{name!r} is a family of tasks", f"write {name}:TASK")
        if not colon:
            return super().get(name)
        if family not in self._families:
            hint = suggest(family, self._families)
            known = "families: " + (", ".join(self._families) or "none")
            raise UnknownNameError(
                f"unknown task {name!r}: there is no task family {family!r}", hint or known
            )
        if name not in self._made:
            self._made[name] = self._families.get(family).task(rest)
        return self._made[name]


@cache
def tasks() -> TaskRegistry:
    """Registry of task classes (group `cheers_bench.tasks`), families included."""
    return TaskRegistry("task", "cheers_bench.tasks", task_families())


@cache
def task_families() -> Registry[TaskFamily]:
    """Registry of task families (group `cheers_bench.task_families`)."""
    return Registry("task family", "cheers_bench.task_families", "task families")


@cache
def models() -> Registry[type[ModelAdapter]]:
    """Registry of adapter classes or factories (group `cheers_bench.models`)."""
    return Registry("model", "cheers_bench.models")


@cache
def suites() -> Registry[Suite]:
    """Registry of suites (group `cheers_bench.suites`)."""
    return Registry("suite", "cheers_bench.suites")


@cache
def exports() -> Registry[Exporter]:
    """Registry of further export formats (group `cheers_bench.exports`)."""
    return Registry("export format", "cheers_bench.exports")
