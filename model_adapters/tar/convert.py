"""Released .pth files to safetensors and config.json: `python -m model_adapters.tar.convert`.

Every file is read by `model_adapters.tar.unpickling`, which runs nothing that a file names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.data.hashing import hash_file
from harness.errors import BenchError, CheckpointError
from harness.files import write_text
from harness.records import JsonValue
from model_adapters.tar.checkpoint import TA_TOK
from model_adapters.tar.config import CONFIG, read_config
from model_adapters.tar.detokenizers import NEGATIVES, VQVAE
from model_adapters.tar.unpickling import read_pickle

__all__ = ["Converted", "convert"]

_PICKLES = ("*.pth", "*.pt")


class Converted(NamedTuple):
    """One file, converted."""

    source: Path
    """What was read."""

    target: Path
    """What was written."""

    tensors: int
    """How many."""


class _Found(NamedTuple):
    """What a file turned out to be."""

    file: str
    """Name to write it under."""

    tensors: Mapping[str, Tensor]
    """By their released names."""

    args: Mapping[str, JsonValue] | None
    """What it was built with, where tensors don't show it all."""


def convert(folder: Path) -> list[Converted]:
    """Convert every .pth and .pt file in a folder and its folders, beside itself.

    What a file is, is told by what it holds, not by its name. The sources stay. A file that was
    converted before is converted again; `config.json` keeps the entries of others.

    Args:
        folder: Of a checkpoint.

    Raises:
        CheckpointError: There is none, or one is damaged, of another model, or not to be trusted.
    """
    sources = sorted(path for pattern in _PICKLES for path in folder.rglob(pattern))
    if not sources:
        raise CheckpointError(
            f"{folder} holds no {' and no '.join(_PICKLES)}",
            "docs/tar.md says which files to download",
        )
    return [_converted(source) for source in sources]


def _converted(source: Path) -> Converted:
    found = _told_apart(source, read_pickle(source))
    target = source.with_name(found.file)
    _save(found.tensors, target)
    if found.args is not None:
        _note(target, source, found.args)
    return Converted(source, target, len(found.tensors))


def _told_apart(source: Path, content: Any) -> _Found:
    """Which of the released files this is."""
    if isinstance(content, Tensor) and content.ndim == 2:
        return _Found(f"{NEGATIVES}.safetensors", {NEGATIVES: content}, None)
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping):
        raise _unknown(source)
    if "sd" not in model and "quantize.embedding.weight" in model:
        return _Found(VQVAE, _tensors(source, model), None)
    if "sd" not in model or "args" not in model:
        raise _unknown(source)
    tensors, args = _tensors(source, model["sd"]), _plain(source, model["args"])
    if "bottleneck.regularizer.embedding.weight" in tensors:
        return _Found(TA_TOK, tensors, args)
    if "clip_proj.weight" in tensors:
        return _Found(f"{source.stem}.safetensors", tensors, args)
    raise _unknown(source)


def _unknown(source: Path) -> CheckpointError:
    return CheckpointError(
        f"{source} is neither TA-Tok nor AR-DTok, VQVAE or negative embeddings",
        "leave only Tar's files in the folder: docs/tar.md lists them",
    )


def _tensors(source: Path, found: Any) -> dict[str, Tensor]:
    if isinstance(found, Mapping):
        wrong = [name for name, value in found.items() if not isinstance(value, Tensor)]
        if not wrong and all(isinstance(name, str) for name in found):
            return dict(found)
    raise CheckpointError(f"{source}: its weights aren't all tensors", "use the released file")


def _plain(source: Path, args: Any) -> Mapping[str, JsonValue]:
    """Arguments as JSON has them."""
    try:
        plain = json.loads(json.dumps(args, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{source}: its arguments aren't plain values: {error}", "use the released file"
        ) from error
    if not isinstance(plain, dict):
        raise CheckpointError(f"{source}: its arguments have no names", "use the released file")
    return plain


def _save(tensors: Mapping[str, Tensor], target: Path) -> None:
    """Write beside the place, then move there; tensors that share memory are parted."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with torch.no_grad():
            parted = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        save_file({name: tensor.contiguous() for name, tensor in parted.items()}, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _note(target: Path, source: Path, args: Mapping[str, JsonValue]) -> None:
    """Write the entry of a file into the `config.json` beside it."""
    path = target.parent / CONFIG
    entries = read_config(target.parent) if path.is_file() else {}
    if "model_type" in entries:
        raise CheckpointError(
            f"{path} is that of a language model", "put the language model into a folder of its own"
        )
    origin = {"file": source.name, "sha256": hash_file(source, "weights")}
    entries[target.stem] = {"file": target.name, "args": args, "source": origin}
    write_text(path, json.dumps(entries, indent=1) + "\n")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(*, folder: Path) -> None:
    """Convert the released .pth and .pt files in FOLDER to safetensors, beside themselves."""
    try:
        for one in convert(folder):
            click.echo(f"{one.source} -> {one.target} ({one.tensors} tensors)")
    except BenchError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
