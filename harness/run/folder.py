"""Opening a run's folder: a new one, or the same run again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.environment import capture, without_secret_values, without_secrets
from harness.errors import ProtocolMismatchError
from harness.ledger import LedgerWriter, is_run_folder, read_manifest, write_manifest
from harness.ledger.faults import explained
from harness.records import (
    Fingerprint,
    JsonValue,
    ModelCard,
    RunManifest,
    RunStatus,
    TaskPlan,
    digest,
)

__all__ = ["check_same", "check_tasks", "differences", "make_manifest", "open_folder", "set_status"]

_SHOWN = 6  # differences that a message lists


def make_manifest(
    *,
    card: ModelCard,
    model_args: dict[str, JsonValue],
    fingerprint: Fingerprint,
    plans: Sequence[TaskPlan],
    seed: int,
    label: str | None,
    command: Sequence[str],
) -> RunManifest:
    """Manifest of a run that starts now; secrets in arguments and command line are hidden."""
    arguments = without_secret_values(model_args)
    identity = [card.name, arguments, [plan.protocol.hash for plan in plans], seed]
    return RunManifest(
        run_id=digest(identity),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=without_secrets(command),
        model=card,
        model_args=arguments,
        fingerprint=fingerprint,
        tasks=tuple(plans),
        seed=seed,
        environment=capture(),
        label=label,
    )


def open_folder(folder: Path, wanted: RunManifest) -> tuple[LedgerWriter, RunManifest]:
    """Create the folder of a run, or continue the run that is in it.

    Args:
        folder: Run folder; may not exist yet.
        wanted: Manifest of the run that is asked for.

    Returns:
        The ledger, open for writing, and the manifest with status `running`: of a continued run
        the one in the folder, under the label asked for.

    Raises:
        ProtocolMismatchError: The folder holds a run of another model, protocol or seed.
        LedgerError: It's damaged, in use, or can't be written.
    """
    if not is_run_folder(folder):
        return _created(folder, wanted), wanted
    existing = read_manifest(folder)
    check_same(folder, existing, wanted)
    ledger = LedgerWriter.open(folder)
    with explained(folder):
        for leftover in folder.glob("images/*/.*.tmp"):  # of a process that was killed
            leftover.unlink()
    label = wanted.label if wanted.label is not None else existing.label
    running = msgspec.structs.replace(existing, status=RunStatus.RUNNING, label=label)
    write_manifest(folder, running)
    return ledger, running


def set_status(folder: Path, manifest: RunManifest, status: RunStatus) -> RunManifest:
    """Write the manifest with another status, and return it."""
    changed = msgspec.structs.replace(manifest, status=status)
    write_manifest(folder, changed)
    return changed


def check_tasks(folder: Path, plans: Sequence[TaskPlan], seed: int) -> None:
    """Check tasks and seed alone, so that a wrong folder is refused before weights are loaded.

    Raises:
        ProtocolMismatchError: The folder holds a run of other tasks, protocols or another seed.
        LedgerError: Its manifest can't be read.
    """
    if is_run_folder(folder):
        existing = read_manifest(folder)
        _refuse(folder, _task_identity(existing.tasks, existing.seed), _task_identity(plans, seed))


def check_same(folder: Path, existing: RunManifest, wanted: RunManifest) -> None:
    """Check that two manifests are of the same run.

    Raises:
        ProtocolMismatchError: They aren't; the message names the differences.
    """
    _refuse(folder, _identity(existing), _identity(wanted))


def _created(folder: Path, wanted: RunManifest) -> LedgerWriter:
    ledger = LedgerWriter.create(folder, [plan.task for plan in wanted.tasks])
    try:
        # Last: only with its manifest does the folder count as a run.
        write_manifest(folder, wanted)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _identity(manifest: RunManifest) -> dict[str, Any]:
    return {
        "model": {"name": manifest.model.name, "arguments": manifest.model_args},
        "fingerprint": manifest.fingerprint,
        **_task_identity(manifest.tasks, manifest.seed),
    }


def _task_identity(plans: Sequence[TaskPlan], seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "tasks": ", ".join(plan.task for plan in plans),
        "protocol": {plan.task: plan.protocol for plan in plans},
    }


def differences(there: Any, here: Any) -> list[str]:
    """One line per leaf in which two records or mappings differ, at most a few."""
    # Both as JSON, which is what one of them has been through: it knows no tuples.
    old, new = (_flat(msgspec.json.decode(msgspec.json.encode(side))) for side in (there, here))
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    lines = [f"  {name}: {_shown(old, name)} there, {_shown(new, name)} now" for name in changed]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return lines[:_SHOWN] + more


def _refuse(folder: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    if there["tasks"] != here["tasks"]:  # differing protocols would only repeat it
        there, here = {**there, "protocol": {}}, {**here, "protocol": {}}
    changed = differences(there, here)
    if changed:
        raise ProtocolMismatchError(
            f"{folder} holds another run, and mixing them would make its scores meaningless:\n"
            + "\n".join(changed),
            "give another folder with --out, or repeat the run with the folder's settings",
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings under dotted names."""
    leaves: dict[str, Any] = {}
    for key, part in value.items():
        name = f"{prefix}{key}"
        leaves |= _flat(part, f"{name}.") if isinstance(part, dict) and part else {name: part}
    return leaves


def _shown(side: dict[str, Any], name: str) -> str:
    return f"{side[name]!r:.80}" if name in side else "nothing"
