"""`cheers-bench list`: tasks, models and suites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from harness.cli.layout import columns
from harness.errors import AdapterError
from harness.registry import Registry, models, suites, task_families, tasks

__all__ = ["command"]


@click.command("list")
@click.argument("kind", type=click.Choice(["tasks", "models", "suites", "all"]), default="all")
def command(kind: str) -> None:
    """Show what can be run: tasks, models and suites, with licences."""
    parts: dict[str, Callable[[], list[list[str]]]] = {
        "suites": lambda: _rows(suites(), _suite, ["suite", "tasks", "what"]),
        "tasks": _task_rows,
        "models": lambda: _rows(models(), _model, ["model", "capabilities", "licence", "what"]),
    }
    chosen = parts if kind == "all" else {kind: parts[kind]}
    click.echo("\n\n".join(columns(rows()) for rows in chosen.values()))


def _rows(
    registry: Registry[Any], describe: Callable[[Any], list[str]], head: list[str]
) -> list[list[str]]:
    return [head, *(_row(registry, describe, name, len(head)) for name in registry)]


def _row(
    registry: Registry[Any], describe: Callable[[Any], list[str]], name: str, width: int
) -> list[str]:
    try:
        return [name, *describe(registry.get(name))]
    except AdapterError as error:  # somebody's broken package must not hide the others
        return [name, *["-"] * (width - 2), f"broken: {error.what}"]


def _task_rows() -> list[list[str]]:
    head = ["task", "primary metric", "licence", "what"]
    families = _rows(task_families(), _family, head)[1:]
    return [*_rows(tasks(), _task, head), *([f"{row[0]}:...", *row[1:]] for row in families)]


def _family(family: Any) -> list[str]:
    return ["each task's own", "each task's own", family.summary]


def _task(task: Any) -> list[str]:
    data = task.metadata
    return [data.primary.name, data.dataset.licence, data.summary]


def _model(model: Any) -> list[str]:
    card = getattr(model, "card", None)
    if card is None:
        return ["known once built", "-", (model.__doc__ or "").partition("\n")[0]]
    return [", ".join(sorted(card.capabilities)), card.licence, card.summary]


def _suite(suite: Any) -> list[str]:
    return [str(len(suite.entries)), suite.summary]
