"""Finding a checkpoint: a folder on this machine, or a repository of the hub."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import CheckpointError

__all__ = ["demand", "resolve"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
"""What is fetched: weights as safetensors, settings, tokenizers; no pickles and no code."""


def demand(path: str, model: str) -> None:
    """Refuse a model that needs a checkpoint and was given none.

    Raises:
        CheckpointError: There is no path.
    """
    if not path:
        raise CheckpointError(
            f"model {model!r} has no checkpoint",
            f"name a folder or a hub id: --model {model}:FOLDER",
        )


def resolve(path: str | Path, revision: str | None = None) -> Path:
    """The local folder of a checkpoint; a hub id is downloaded first.

    Raises:
        CheckpointError: there is no such folder and no such hub id.
    """
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{path} is a file", "name the folder that holds config.json")
    if not _HUB_ID.fullmatch(str(path)):
        raise CheckpointError(
            f"there is no checkpoint folder {path}",
            "check the path, or give a hub id such as organisation/name",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(path), revision=revision, allow_patterns=_FILES))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"there is no folder {path}, and the hub does not give {path}: {error}",
            "check the name and the network, or download it elsewhere and name the folder",
        ) from error
