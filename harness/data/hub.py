"""Data files by path, and files of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from harness.errors import DataError, SpecError

__all__ = ["HUB", "fetch_from_hub", "locate"]

HUB = "hf://"
"""What addresses of the hub begin with."""


def locate(location: str, what: str = "data file") -> Path:
    """The local file of a path, or of a file on the Hugging Face hub, fetched if need be.

    Args:
        location: Path, or `hf://datasets/OWNER/NAME/FILE`, optionally with `@REVISION`.
        what: What the file is, for the message.

    Raises:
        SpecError: The address is malformed.
        DataError: The file isn't there or can't be fetched.
    """
    if location.startswith(HUB):
        return fetch_from_hub(location)
    path = Path(location).expanduser()
    if not path.is_file():
        raise DataError(f"there is no {what} {location}", "check the path")
    return path


def fetch_from_hub(location: str) -> Path:
    """A file of the hub in the hub's own cache, fetched if it isn't there.

    Args:
        location: `hf://datasets/OWNER/NAME/FILE`, optionally with `@REVISION`.

    Raises:
        SpecError: The address is malformed.
        DataError: It can't be fetched.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    address, _, revision = location.removeprefix(HUB).partition("@")
    kind, *rest = address.split("/")
    if kind != "datasets" or len(rest) < 3:
        raise SpecError(
            f"{location!r} is no file on the hub", "write hf://datasets/OWNER/NAME/FILE@REVISION"
        )
    repo, file = "/".join(rest[:2]), "/".join(rest[2:])
    try:
        found = hf_hub_download(repo, file, repo_type="dataset", revision=revision or None)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise DataError(
            f"{location} can't be fetched: {error}", "check the address, or give a local file"
        ) from error
    return Path(found)
