"""GenEval's folder layout: `00000/metadata.jsonl`, `00000/samples/00000.png`.

As `generation/diffusers_generate.py` of djghosh13/geneval at commit af4902f writes it and its
`evaluation/evaluate_images.py` reads it: folders and images are named by numbers, however padded,
and everything else (`grid.png`) is ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import AdapterError, NoResponseError
from harness.records import JsonValue
from model_adapters.recorded.pictures import check_prompt, read_picture
from model_adapters.recorded.request import Replay
from model_adapters.recorded.size import Size, SizeRule
from model_adapters.recorded.survey import Survey, survey

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["GenEvalFolder"]

_METADATA = "metadata.jsonl"
_OTHERS = (".jpg", ".jpeg", ".webp")
_RECORD = ("tag", "include", "exclude")


class GenEvalFolder:
    """Images of GenEval prompts in the official layout.

    Args:
        root: The folder.
        accept: Flaws that are accepted; see `FLAWS`.
        size: Width and height that every image must have; `None` is what most of them have.

    Raises:
        AdapterError: The folder has none of the layout's subfolders, or two with one number.
    """

    def __init__(self, root: Path, accept: frozenset[str], size: Size | None) -> None:
        self._root = root
        self._accept = accept
        self._size = SizeRule(size, lambda: self.survey().size, accept, "images")
        self._survey: Survey | None = None
        self._folders = _numbered_folders(root)
        self._metadata: tuple[str, Mapping[str, Any] | None] = ("", None)

    def close(self) -> None:
        """Nothing is held open."""

    def survey(self) -> Survey:
        """Hash and count of all files; they are read once."""
        if self._survey is None:
            self._survey = survey(self._root, self._files())
        return self._survey

    def describe(self) -> Mapping[str, JsonValue]:
        """What the fingerprint says about the layout."""
        found, size = self.survey(), self._size.wanted()
        shown = None if size is None else list(size)
        return {"layout": "geneval", "images": found.images, "size": shown}

    def read(self, request: Replay) -> Image:
        """The image of a request, checked against its prompt.

        Raises:
            NoResponseError: There is none, or it can't be used; the reason names the file.
        """
        folder = self._folder_of(request)
        path = self._image_path(folder, request.sample.k)
        name = f"{folder.name}/samples/{path.name}"
        self._check_metadata(folder, request)
        image = read_picture(path, name, self._accept)
        check_prompt(image, request.prompt, name)
        self._size.check(image, name)
        return image

    def _files(self) -> Iterator[Path]:
        for number in sorted(self._folders):
            folder = self._root / self._folders[number]
            if (folder / _METADATA).is_file():
                yield folder / _METADATA
            samples = folder / "samples"
            if samples.is_dir():
                yield from (samples / name for name in sorted(_images(samples)))

    def _folder_of(self, request: Replay) -> Path:
        name = request.sample.id
        found = self._folders.get(int(name)) if name.isdecimal() else None
        if found is None:
            raise NoResponseError(f"{self._root.name} has no folder {name}", missing=True)
        return self._root / found

    def _image_path(self, folder: Path, k: int) -> Path:
        samples = folder / "samples"
        names = _images(samples) if samples.is_dir() else []
        same = sorted(name for name in names if int(Path(name).stem) == k)
        if not same:
            raise NoResponseError(
                f"{folder.name}/samples/{k:05d}.png is missing; the folder has "
                + (", ".join(sorted(names)[:6]) or "no images"),
                missing=True,
            )
        usable = [name for name in same if name.endswith(".png") or "jpeg" in self._accept]
        if len(same) > 1 and len(usable) != 1:
            raise NoResponseError(f"{folder.name}/samples has {' and '.join(same)} for image {k}")
        return samples / (usable or same)[0]

    def _check_metadata(self, folder: Path, request: Replay) -> None:
        record = self._read_metadata(folder)
        if record is None:
            return
        name = f"{folder.name}/{_METADATA}"
        if record.get("prompt") != request.prompt:
            raise NoResponseError(
                f"{name} says {record.get('prompt')!r:.120}, but the task asks for "
                f"{request.prompt!r:.120}"
            )
        target = request.sample.target
        wanted = target if isinstance(target, Mapping) else {}
        for key in _RECORD:
            if key in wanted and (record.get(key) or []) != (wanted[key] or []):
                raise NoResponseError(f"{name} has another {key!r} than the task's prompt")

    def _read_metadata(self, folder: Path) -> Mapping[str, Any] | None:
        if self._metadata[0] != folder.name:  # images of a prompt come one after another
            self._metadata = (folder.name, self._parsed(folder))
        return self._metadata[1]

    def _parsed(self, folder: Path) -> Mapping[str, Any] | None:
        name = f"{folder.name}/{_METADATA}"
        try:
            record = msgspec.json.decode((folder / _METADATA).read_bytes())
        except FileNotFoundError:
            if "unlabelled" in self._accept:
                return None
            raise NoResponseError(
                f"{name} is missing, so nothing says which prompt the images answer "
                "(accept=unlabelled takes them nevertheless)"
            ) from None
        except (OSError, ValueError) as error:
            raise NoResponseError(f"{name} can't be read: {error}") from error
        if not isinstance(record, dict):
            raise NoResponseError(f"{name} holds no JSON object")
        return record


def _numbered_folders(root: Path) -> dict[int, str]:
    folders: dict[int, str] = {}
    with os.scandir(root) as entries:
        for entry in entries:
            if not (entry.name.isdecimal() and entry.is_dir()):
                continue
            number = int(entry.name)
            if number in folders:
                raise AdapterError(
                    f"{root} has two folders of number {number}: {folders[number]}, {entry.name}",
                    "keep one of them",
                )
            folders[number] = entry.name
    if not folders:
        raise AdapterError(
            f"{root} isn't in GenEval's layout: it has no folder like 00000",
            "images are expected at 00000/samples/00000.png beside 00000/metadata.jsonl; or give "
            "the folder of a run, or grid=2x2 for DPG-Bench's files",
        )
    return folders


def _images(samples: Path) -> list[str]:
    with os.scandir(samples) as entries:
        return [e.name for e in entries if _is_image(e.name) and e.is_file()]


def _is_image(name: str) -> bool:
    path = Path(name)
    return path.stem.isdecimal() and path.suffix in (".png", *_OTHERS)
