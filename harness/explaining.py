"""Pictures about a run's responses, made after the run from its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.artefacts import write_artefact
from harness.errors import LedgerError, ProtocolMismatchError
from harness.ledger import Entry, Ledger, read_manifest
from harness.records import RunManifest, digest
from harness.run.rebuild import rebuild_request

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.adapter import Explanation, ModelAdapter
    from harness.task import Task

__all__ = ["Explained", "explain_run"]

TOLERANCE = 2.0
"""Levels of 255 by which a picture drawn again may differ in the mean: batches of other sizes round
otherwise."""


class Explained(NamedTuple):
    """What came of explaining a run."""

    samples: int
    """Samples that got pictures."""

    pictures: int
    """Pictures that were written."""

    notes: tuple[str, ...]
    """Samples that were left out, and why."""


def explain_run(
    folder: Path, task: str, *, samples: Sequence[str] = (), count: int = 8
) -> Explained:
    """Serve samples of a run again and keep the pictures that the adapter shows.

    Args:
        folder: Run folder.
        task: Name of the task.
        samples: Ids of samples; empty takes the first ones.
        count: Samples at most.

    Raises:
        CapabilityError: The adapter has nothing to show.
        ProtocolMismatchError: The model that can be built here isn't the one of the run.
        UnknownNameError: The run has no such task or sample.
        LedgerError: The folder isn't a run, is damaged, or can't be written.
    """
    manifest = read_manifest(folder)
    with Ledger.open(folder) as ledger:
        entries = list(islice(_entries(ledger, task, samples), count))
        model = _model(folder, manifest)
        try:
            return _explained(ledger, manifest, _task(manifest, task), model, entries)
        finally:
            model.close()


def _entries(ledger: Ledger, task: str, samples: Sequence[str]) -> Iterator[Entry]:
    if samples:
        return (ledger.sample(task, sample) for sample in samples)
    return (entry for entry in ledger.entries(task) if entry.response is not None)


def _task(manifest: RunManifest, name: str) -> Task:
    from harness.registry import tasks

    plan = next(plan for plan in manifest.tasks if plan.task == name)
    return tasks().get(name)(plan.options)


def _model(folder: Path, manifest: RunManifest) -> ModelAdapter:
    from harness.models import build_model
    from harness.runspec import ModelRef

    model = build_model(ModelRef(name=manifest.model.name, args=manifest.model_args))
    now, then = model.fingerprint(), manifest.fingerprint
    names = [name for name in now.__struct_fields__ if name != "device"]
    # As JSON, because that's what the manifest was read from: it knows no tuples.
    changed = [n for n in names if digest(getattr(now, n)) != digest(getattr(then, n))]
    if changed:
        raise ProtocolMismatchError(
            f"the model of {folder} isn't the one that is built here: {', '.join(changed)} differ",
            "use the weights and the version of the run, or run again",
        )
    return model


def _explained(
    ledger: Ledger, manifest: RunManifest, task: Task, model: ModelAdapter, entries: Sequence[Entry]
) -> Explained:
    folder = ledger.folder
    notes: list[str] = []
    samples = pictures = 0
    for entry in entries:
        request = rebuild_request(task, manifest.seed, entry, ledger)
        if request is None:
            notes.append(f"{entry.sample.key}: the task makes another request now")
            continue
        found = model.explain(request)
        why = _differs(folder, entry, found)
        if why:
            notes.append(f"{entry.sample.key}: {why}")
            continue
        for name, picture in found.pictures.items():
            write_artefact(folder, task.metadata.name, entry.sample, name, picture)
        samples, pictures = samples + 1, pictures + len(found.pictures)
    return Explained(samples, pictures, tuple(notes))


def _differs(folder: Path, entry: Entry, found: Explanation) -> str:
    """Why an explanation isn't of the stored response; empty if it is."""
    from harness.media import read_png

    stored = entry.response
    if stored is None or stored.image_path is None:
        same = stored is not None and stored.text == found.response.text
        return "" if same else "the model says something else now"
    try:
        picture = read_png(folder / stored.image_path, stored.image_sha256)
    except LedgerError as error:
        return error.what
    if found.response.image is None or found.response.image.size != picture.size:
        return "the model draws something else now"
    apart = _distance(picture, found.response.image)
    return "" if apart <= TOLERANCE else f"drawn again it differs by {apart:.1f} levels"


def _distance(one: Image, other: Image) -> float:
    """Mean difference in levels of 255."""
    import numpy as np

    first, second = (np.asarray(image.convert("RGB"), dtype=np.int16) for image in (one, other))
    return float(np.abs(first - second).mean())
