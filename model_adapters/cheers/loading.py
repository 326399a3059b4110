"""Read and write checkpoints of the official layout, strictly."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from harness.checkpoints import resolve
from harness.errors import CheckpointError
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.initialisation import meta_model
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.processor import CheersProcessor
from model_adapters.cheers.tokenizer import CheersTokenizer
from model_adapters.tensors import some

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TIED = ("lm_head.weight", "model.language_model.embed_tokens.weight")


class Checkpoint(NamedTuple):
    """A loaded model with what is needed to talk to it."""

    model: CheersModel
    """The model, in evaluation mode."""
    processor: CheersProcessor
    """Its processor."""


def from_pretrained(
    path: str | Path,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str = "cpu",
    *,
    revision: str | None = None,
) -> Checkpoint:
    """Load a checkpoint.

    Args:
        path: a folder with `config.json`, safetensors and `tokenizer.json`, or a hub id.
        dtype: data type of the weights, such as "bfloat16"; None keeps the stored one.
        device: where the weights go.
        revision: branch, tag or commit of a hub id.

    Raises:
        CheckpointError: something is missing, extra, misshapen, truncated or of another model;
            the message names the tensor or the file, and the remedy.
    """
    folder = resolve(path, revision)
    config = CheersConfig.from_file(folder / CONFIG)
    tokenizer = CheersTokenizer.from_file(folder / "tokenizer.json", config.special_token_ids)
    model = load_model(folder, config, dtype, device)
    return Checkpoint(model, CheersProcessor(config, tokenizer))


def load_model(
    folder: Path,
    config: CheersConfig | None = None,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str = "cpu",
) -> CheersModel:
    """Load the weights of a folder alone; arguments and errors as `from_pretrained`."""
    config = config or CheersConfig.from_file(_file(folder, CONFIG))
    wanted = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    model = meta_model(config)
    tensors = _read(folder, model.state_dict(), wanted, torch.device(device))
    _check_tied(folder, tensors)
    model.load_state_dict(tensors, assign=True)
    model.tie()
    return model.eval()


def save_pretrained(
    model: CheersModel,
    folder: str | Path,
    processor: CheersProcessor | None = None,
    *,
    dtype: torch.dtype | None = None,
    max_shard_bytes: int = 5_000_000_000,
) -> None:
    """Write a checkpoint in the official layout; `from_pretrained` reads it back.

    Each file is written beside its place and then moved there, `config.json` last.

    Args:
        model: the model.
        folder: where to write; made if missing.
        processor: whose tokenizer files to write too.
        dtype: data type of the stored weights; None keeps the model's.
        max_shard_bytes: above this the weights are split into several files with an index.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    stored = {name: _stored(tensor, dtype) for name, tensor in model.state_dict().items()}
    _write_weights(target, stored, max_shard_bytes)
    if processor is not None:
        for name, content in processor.tokenizer.files().items():
            _write(target / name, content)
    config = model.config.to_dict() | {"torch_dtype": _name(dtype or model.dtype)}
    _write(target / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def _read(
    folder: Path,
    shapes: dict[str, Tensor],
    dtype: torch.dtype | None,
    device: torch.device,
) -> dict[str, Tensor]:
    """Read every tensor, one at a time, refusing what does not fit."""
    places = _places(folder)
    _check_names(folder, set(shapes), set(places))
    tensors: dict[str, Tensor] = {}
    for file in sorted(set(places.values())):
        with _open(file) as reader:
            for name in reader.keys():  # noqa: SIM118 - not a mapping
                tensor = _fit(reader.get_tensor(name), shapes[name], f"{file}: tensor {name}")
                tensors[name] = _cast(tensor, shapes[name], dtype).to(device)
    return tensors


def _fit(tensor: Tensor, want: Tensor, what: str) -> Tensor:
    """The tensor, if it has the wanted shape."""
    if tensor.shape != want.shape:
        raise CheckpointError(
            f"{what} has shape {tuple(tensor.shape)}, but config.json asks for {tuple(want.shape)}",
            "use the weights and the config.json of one checkpoint",
        )
    return tensor


def _cast(tensor: Tensor, want: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The tensor in the data type it is used in.

    Counters are integers, though the released checkpoint stores even them in bfloat16.
    """
    if not want.is_floating_point():
        return tensor.to(want.dtype)
    return tensor.to(dtype or tensor.dtype)


def _places(folder: Path) -> dict[str, Path]:
    """Which file holds each tensor, from the files themselves."""
    files = [folder / WEIGHTS]
    listed: dict[str, str] = {}
    if (folder / INDEX).is_file():
        listed = _index(folder / INDEX)
        files = [folder / name for name in sorted(set(listed.values()))]
    places: dict[str, Path] = {}
    for file in files:
        with _open(_file(folder, file.name)) as reader:
            for name in reader.keys():  # noqa: SIM118 - not a mapping
                if name in places:
                    raise CheckpointError(
                        f"tensor {name} is in both {places[name].name} and {file.name}",
                        "remove the shard that does not belong to this checkpoint",
                    )
                places[name] = file
    wrong = sorted(name for name, file in listed.items() if places.get(name) != folder / file)
    if wrong:
        raise CheckpointError(
            f"{folder / INDEX} places {some(wrong)} in files that do not hold them",
            "download the shards and the index again",
        )
    return places


def _index(path: Path) -> dict[str, str]:
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        listed = {str(name): str(file) for name, file in weight_map.items()}
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no index of shards: {error}", "download it again"
        ) from error
    outside = [file for file in listed.values() if Path(file).name != file]
    if outside:
        raise CheckpointError(f"{path} names {outside[0]}, outside its folder", "don't trust it")
    return listed


def _open(file: Path) -> safe_open:
    try:
        return safe_open(str(file), framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file} cannot be read as safetensors ({error}); it may be truncated",
            "download it again and compare its size or sha256",
        ) from error


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise CheckpointError(f"{path} is missing", "complete the checkpoint folder")
    return path


def _check_names(folder: Path, want: set[str], have: set[str]) -> None:
    missing, extra = sorted(want - have), sorted(have - want)
    if missing:
        raise CheckpointError(
            f"{folder}: the weights lack {some(missing)}",
            "download the checkpoint again, or correct config.json to the sizes of these weights",
        )
    if extra:
        raise CheckpointError(
            f"{folder}: the weights hold {some(extra)}, which the model of config.json lacks",
            "use the weights and the config.json of one checkpoint",
        )


def _check_tied(folder: Path, tensors: dict[str, Tensor]) -> None:
    if not torch.equal(tensors[TIED[0]], tensors[TIED[1]]):
        raise CheckpointError(
            f"{folder}: {TIED[0]} and {TIED[1]} differ, but CHEERS ties them",
            "this is not a CHEERS checkpoint, or one of its shards belongs to another one",
        )


def _stored(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A copy to store: own memory, so that tied weights are written under both names."""
    cast = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("cpu", cast, copy=True).contiguous()


def _write_weights(target: Path, tensors: dict[str, Tensor], max_shard_bytes: int) -> None:
    from safetensors.torch import save

    shards = _split(tensors, max_shard_bytes)
    if len(shards) == 1:
        _write(target / WEIGHTS, save(tensors, metadata={"format": "pt"}))
        (target / INDEX).unlink(missing_ok=True)
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write(target / name, save(shard, metadata={"format": "pt"}))
        weight_map |= dict.fromkeys(shard, name)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    _write(target / INDEX, (json.dumps(index, indent=2) + "\n").encode())
    (target / WEIGHTS).unlink(missing_ok=True)


def _split(tensors: dict[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    """Group tensors, in order, into shards of at most so many bytes (or one tensor)."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > max_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    return shards


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
