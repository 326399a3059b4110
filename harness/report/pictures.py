"""Pictures of a report: exact copies in a folder, thumbnails in a single file."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from harness.media import is_whole_png, pixel_hash, safe_name
from harness.report.runs import ReportRun

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PictureStore"]

_QUALITY = 85


class PictureStore:
    """Takes pictures into a report.

    Args:
        folder: The report's folder.
        thumbnail: Longest side in pixels; `None` keeps every pixel.
    """

    def __init__(self, folder: Path, thumbnail: int | None) -> None:
        self._folder = folder
        self._thumbnail = thumbnail
        self.unreadable = 0
        """Pictures that the ledger names but that are gone, damaged or outside the run folder."""

    def copy(self, run: ReportRun, relative: str) -> str | None:
        """Take a picture of a run.

        Args:
            run: The run.
            relative: Its path in the run folder, as the ledger has it.

        Returns:
            Its path in the report; `None` if it can't be read. A path that leads out of the run
            folder isn't followed: a ledger may come from somebody else.
        """
        source = (run.folder / relative).resolve()
        inside = source.is_relative_to(run.folder.resolve())
        if not inside or not is_whole_png(source):
            self.unreadable += 1
            return None
        return self._take(source, f"r{run.number}/{_plain(relative)}")

    def add(self, image: Image) -> str:
        """Take a picture that a model was shown; equal ones are stored once.

        Returns:
            Its path in the report.
        """
        digest = hashlib.sha256(pixel_hash(image).encode()).hexdigest()[:20]
        name = f"images/shown/{digest}.{self._suffix}"
        if not (self._folder / name).exists():
            self._save(image, name)
        return name

    @property
    def _suffix(self) -> str:
        return "png" if self._thumbnail is None else "webp"

    def _take(self, source: Path, stem: str) -> str | None:
        name = f"images/{stem}.{self._suffix}"
        if self._thumbnail is None:
            target = self._prepared(name)
            shutil.copyfile(source, target)
            return name
        return self._shrink(source, name)

    def _shrink(self, source: Path, name: str) -> str | None:
        from PIL import Image as Images

        try:
            with Images.open(source) as opened:
                self._save(opened, name)
        except (OSError, SyntaxError, ValueError, Images.DecompressionBombError):
            self.unreadable += 1
            return None
        return name

    def _save(self, image: Image, name: str) -> None:
        shown = image.convert("RGB")
        if self._thumbnail is None:
            shown.save(self._prepared(name), "PNG")
            return
        shown.thumbnail((self._thumbnail, self._thumbnail))
        buffer = io.BytesIO()
        shown.save(buffer, "WEBP", quality=_QUALITY)
        self._prepared(name).write_bytes(buffer.getvalue())

    def _prepared(self, name: str) -> Path:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _plain(relative: str) -> str:
    """A path whose parts are safe as file names, whatever the ledger says."""
    parts = Path(relative).with_suffix("").parts
    return "/".join(safe_name(part) for part in parts if part not in ("/", "..", "images"))
