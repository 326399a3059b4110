"""Flags that name models, tasks and their options, read the same way by every command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import SpecError
from harness.records import JsonValue

if TYPE_CHECKING:
    from harness.runspec import TaskRef

__all__ = ["read_flags", "read_options"]


def read_flags(
    *,
    tasks: Sequence[str],
    model: str | None,
    model_args: Sequence[str],
    label: str | None,
    task_options: Sequence[str],
    suite: str | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Flags of the command line as `harness.runfile.make_spec` takes them.

    Args:
        tasks: Names of tasks.
        model: Model as users write it.
        model_args: `K=V` each.
        label: Row name in tables.
        task_options: `TASK.K=V` each.
        suite: Name of a suite, whose tasks may be given options too.
        **others: Passed on as they are.

    Raises:
        SpecError: A pair is malformed, or belongs to nothing on the line.
        UnknownNameError: The suite isn't registered.
    """
    from harness.models import model_ref

    if model is None and (model_args or label):
        raise SpecError("--model-arg and --label need --model", "name the model on the same line")
    ref = None if model is None else model_ref(model, _pairs(model_args), label)
    return {**others, "suite": suite, "model": ref, "tasks": _tasks(tasks, suite, task_options)}


def read_options(texts: Sequence[str], known: Sequence[str]) -> dict[str, dict[str, JsonValue]]:
    """Options of tasks, each as `TASK.K=V`.

    Args:
        texts: The options.
        known: Tasks that they may belong to.

    Raises:
        SpecError: One is malformed, or belongs to no such task.
    """
    by_task: dict[str, dict[str, JsonValue]] = {}
    for text in texts:
        task = _named_in(text, known)
        by_task.setdefault(task, {}).update(_pairs([text[len(task) + 1 :]]))
    return by_task


def _tasks(names: Sequence[str], suite: str | None, options: Sequence[str]) -> tuple[TaskRef, ...]:
    from harness.registry import suites
    from harness.runspec import TaskRef

    entries = suites().get(suite).entries if suite and options else ()
    given = read_options(options, [*names, *(entry.task for entry in entries)])
    return tuple(
        TaskRef(task=name, options=given.get(name, {})) for name in dict.fromkeys([*names, *given])
    )


def _named_in(text: str, known: Sequence[str]) -> str:
    """The task of `TASK.K=V`; its name may hold dots, colons, slashes and equals signs."""
    found = [task for task in known if text.startswith(f"{task}.")]
    if found:
        return max(found, key=len)
    _pairs([text])  # a complaint about the whole form comes first
    task = text.partition("=")[0].rpartition(".")[0]
    raise SpecError(
        f"--task-option {text}: no --task {task!r} on this command line",
        f"it reads TASK.OPTION=VALUE; tasks here: {', '.join(known) or 'none'}",
    )


def _pairs(texts: Sequence[str]) -> dict[str, JsonValue]:
    """`K=V` with V read as YAML, so that numbers and true/false have their types."""
    import yaml

    pairs: dict[str, JsonValue] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SpecError(f"{text!r} isn't KEY=VALUE", "write for example steps=20")
        try:
            pairs[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            pairs[key] = value
    return pairs
