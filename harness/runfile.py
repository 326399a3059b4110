"""Run files: a run in YAML, with unknown keys refused; flags win over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import SpecError
from harness.models import model_ref
from harness.names import suggest
from harness.records import Record
from harness.runspec import EngineSpec, ModelRef, RunSpec, TaskRef
from harness.yaml_file import read_yaml

__all__ = ["RunFile", "make_spec", "read_run_file"]


class RunFile(Record, frozen=True, kw_only=True):
    """What a run file may say; the fields are those of `RunSpec`, all optional."""

    suite: str | None = None
    """Registry name of a suite."""

    tasks: tuple[str | TaskRef, ...] = ()
    """Tasks, by name or with limit and options."""

    model: str | ModelRef | None = None
    """Model, as on the command line or with arguments and label."""

    limit: int | None = None
    """Most samples of each task."""

    seed: int | None = None
    """Base seed."""

    batch_size: int | None = None
    """Requests per batch."""

    out: str | None = None
    """Run folder."""

    retry_errors: bool | None = None
    """Whether failed samples are tried again."""

    engine: EngineSpec | None = None
    """Where the model runs."""


def read_run_file(path: Path) -> RunFile:
    """Read and check a run file.

    Raises:
        SpecError: The file is missing or isn't YAML, or a key is unknown or has a wrong type;
            the message names the place.
    """
    data = read_yaml(path)
    try:
        return msgspec.convert(data, type=RunFile)
    except msgspec.ValidationError as error:
        unknown = re.search(r"unknown field `(.*?)`", str(error))
        hint = suggest(unknown[1], RunFile.__struct_fields__) if unknown else ""
        keys = f"a run file has: {', '.join(RunFile.__struct_fields__)}"
        raise SpecError(f"{path}: {error}", hint or keys) from error


def make_spec(file: RunFile, flags: Mapping[str, Any]) -> RunSpec:
    """Put flags over a run file; a flag that is `None` or empty wasn't given.

    Args:
        file: The run file.
        flags: Fields of `RunSpec`; of `engine`, those fields that were given.

    Raises:
        SpecError: There's no model or no folder.
    """
    given = {key: value for key, value in flags.items() if value not in (None, (), {})}
    merged = {**msgspec.structs.asdict(file), **given}
    for key in ("model", "out"):
        if not merged[key]:
            raise SpecError(f"the run has no {key}", f"give --{key}, or `{key}:` in the run file")
    merged["engine"] = _engine(file.engine or EngineSpec(), merged["engine"])
    merged["tasks"] = tuple(_task(task) for task in merged["tasks"])
    if isinstance(merged["model"], str):
        merged["model"] = model_ref(merged["model"])
    return RunSpec(**{key: value for key, value in merged.items() if value is not None})


def _engine(file: EngineSpec, given: EngineSpec | Mapping[str, Any] | None) -> EngineSpec:
    if given is None or isinstance(given, EngineSpec):
        return file
    return msgspec.structs.replace(file, **given)


def _task(task: str | TaskRef) -> TaskRef:
    return TaskRef(task=task) if isinstance(task, str) else task
