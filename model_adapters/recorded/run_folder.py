"""The images of another run, to be judged once more: by another detector, say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import LedgerError, NoResponseError, UnknownNameError
from harness.ledger import Entry, Ledger, read_manifest
from harness.media import read_png
from harness.records import JsonValue
from model_adapters.recorded.request import Replay
from model_adapters.recorded.survey import Survey

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["RunFolder"]


class RunFolder:
    """Images that a run stored.

    Args:
        root: Run folder.

    Raises:
        LedgerError: It's damaged, or of a newer version.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._manifest = read_manifest(root)
        self._ledger = Ledger.open(root)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def survey(self) -> Survey:
        """Hash over all stored images; the ledger has theirs, so no file is read."""
        total, images = hashlib.sha256(), 0
        for task in self._ledger.tasks():
            for entry in self._ledger.entries(task):
                stored = entry.response.image_sha256 if entry.response else None
                images += stored is not None
                line = f"{task}\0{entry.sample.key}\0{entry.prompt}\0{stored}\n"
                total.update(line.encode())
        return Survey(sha256=total.hexdigest(), images=images, size=None)

    def describe(self) -> Mapping[str, JsonValue]:
        """What the fingerprint says about the run: which model drew its images."""
        drawn_by = self._manifest.fingerprint
        return {
            "layout": "run",
            "images": self.survey().images,
            "drawn_by": drawn_by.model,
            "drawn_by_weights": drawn_by.weights_sha256,
        }

    def read(self, request: Replay) -> Image:
        """The image of a request.

        Raises:
            NoResponseError: The run has none, or it isn't the one that the model drew.
        """
        entry = self._entry(request)
        name = f"{self._root.name}: sample {request.sample.key} of {request.task}"
        if entry.response is None or entry.response.image_path is None:
            raise NoResponseError(f"{name} has no image there", missing=True)
        if entry.prompt != request.prompt:
            raise NoResponseError(
                f"{name} was drawn for {entry.prompt!r:.120}, not for {request.prompt!r:.120}"
            )
        try:
            return read_png(self._root / entry.response.image_path, entry.response.image_sha256)
        except LedgerError as error:
            raise NoResponseError(error.what, missing=True) from error

    def _entry(self, request: Replay) -> Entry:
        try:
            return self._ledger.sample(request.task, request.sample.id, request.sample.k)
        except UnknownNameError as error:
            raise NoResponseError(error.what, missing=True) from error
