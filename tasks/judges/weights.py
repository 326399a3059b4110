"""Which weights a judge is to use, and their hash, known without loading any network."""

from __future__ import annotations

from pathlib import Path

from harness.data.hashing import hash_file

__all__ = ["WEIGHT_FILES", "find_weights", "weights_sha256"]

WEIGHT_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
)
"""Names under which folders and repositories of the hub keep their weights, the first one wins."""


def find_weights(location: str) -> Path | None:
    """The local file of weights: of a file, a folder, or a repository in the hub's local cache.

    Args:
        location: A file; a folder with one of `WEIGHT_FILES`; or `OWNER/NAME` on the hub, looked
            up in the cache alone, never fetched.

    Returns:
        The file, or `None` if it isn't on this machine.
    """
    path = Path(location).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return next((path / n for n in WEIGHT_FILES if (path / n).is_file()), None)
    return _cached(location)


def weights_sha256(path: Path) -> str:
    """SHA-256 of a file of weights; a file that hasn't changed is read once per process.

    Raises:
        DataError: It can't be read.
    """
    return hash_file(path, "weights")


def _cached(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in WEIGHT_FILES:
        try:
            found = try_to_load_from_cache(repository, name)
        except HFValidationError:
            return None
        if isinstance(found, str):
            return Path(found)
    return None
