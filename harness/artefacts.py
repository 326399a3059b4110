"""Pictures about a sample that aren't its response: heat maps, denoising strips, overlays.

They lie in the run folder as `artefacts/TASK/SAMPLE_K/NAME.png`. Whoever wants a picture in the
report writes it there, during the run or later; the report shows all it finds under their names.
They're no part of a score: a run without them is complete.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ledger.faults import explained
from harness.media import is_whole_png, safe_name, write_bytes
from harness.records import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["artefacts_of", "write_artefact"]

_FOLDER = "artefacts"


def write_artefact(folder: Path, task: str, sample: Sample, name: str, image: Image) -> Path:
    """Put a picture beside a sample, atomically, replacing an earlier one of that name.

    Args:
        folder: Run folder.
        task: Name of the task.
        sample: The item.
        name: What the picture shows, e.g. `heat maps`; it becomes the file's name.
        image: A picture of any mode; stored as RGB.

    Returns:
        The file.

    Raises:
        LedgerError: The folder can't be written.
    """
    path = _folder(folder, task, sample) / f"{safe_name(name.replace(' ', '-'))}.png"
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG")
    with explained(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue(), durable=False)
    return path


def artefacts_of(folder: Path, task: str, sample: Sample) -> list[Path]:
    """All whole pictures beside a sample, sorted by name."""
    found = sorted(_folder(folder, task, sample).glob("*.png"))
    return [path for path in found if is_whole_png(path)]


def _folder(folder: Path, task: str, sample: Sample) -> Path:
    return folder / _FOLDER / safe_name(task) / f"{safe_name(sample.id)}_{sample.k}"
