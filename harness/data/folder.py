"""Folders of picture files with a table beside them, as `datasets` calls an image folder."""

from __future__ import annotations

from pathlib import Path

from harness.errors import DataError

__all__ = ["metadata_file"]

_NAMES = ("metadata.jsonl", "metadata.csv")


def metadata_file(folder: Path) -> Path:
    """The table of an image folder; its column `file_name` names the pictures.

    Raises:
        DataError: There is none, or there are several.
    """
    found = [folder / name for name in _NAMES if (folder / name).is_file()]
    if len(found) == 1:
        return found[0]
    what = " and ".join(_NAMES) if found else f"neither {' nor '.join(_NAMES)}"
    raise DataError(f"folder {folder} has {what}", "keep one table there, with a column file_name")
