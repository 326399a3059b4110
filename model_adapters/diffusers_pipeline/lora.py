"""Low-rank adapters (LoRA, Hu et al. 2021), added to a pipeline's weights once and for all.

The sum of both is what is hashed and what computes, so a picture costs what it costs without.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness.checkpoints import resolve
from harness.data.hashing import hash_file
from harness.errors import AdapterError, BenchError, CheckpointError
from harness.records import JsonValue
from model_adapters.diffusers_pipeline.components import networks
from model_adapters.diffusers_pipeline.quiet import quietly

__all__ = ["add_lora", "find_lora"]

_DOWN = re.compile(r"\.(lora_A(\.\w+)?|lora\.down|lora_down|lora_linear_layer\.down)\.weight$")
"""What the name of one tensor of every adapted layer ends in, in the forms that are in use."""


def find_lora(location: str) -> Path:
    """The file of a LoRA; looked for before a pipeline is loaded for it.

    Args:
        location: A .safetensors file, a folder with one of them, or a hub id.

    Raises:
        AdapterError: The package peft isn't installed.
        CheckpointError: There is no such file.
    """
    _need_peft()
    path = Path(location)
    if path.suffix == ".safetensors" and path.is_file():
        return path
    if path.is_file():
        raise CheckpointError(
            f"{path} is no .safetensors file; others may hold code and aren't read",
            "convert it to safetensors",
        )
    files = sorted(resolve(location, None).glob("*.safetensors"))
    if len(files) != 1:
        raise CheckpointError(
            f"{location} holds {len(files)} .safetensors files where one LoRA is wanted",
            "name the file itself",
        )
    return files[0]


def add_lora(pipeline: Any, file: Path, scale: float) -> dict[str, JsonValue]:
    """Add a LoRA to the weights of a pipeline.

    Args:
        pipeline: The pipeline, its weights where they stay.
        file: What `find_lora` found.
        scale: What its product of matrices is multiplied by.

    Returns:
        What identifies it: the file's sha256 and the scale.

    Raises:
        CheckpointError: It doesn't fit the pipeline; nothing of it is left out in silence.
    """
    name = type(pipeline).__name__
    if not hasattr(pipeline, "load_lora_weights"):
        raise CheckpointError(f"{name} takes no LoRA", "leave out lora")
    try:
        with quietly():
            wanted = _layers_of(pipeline, file)
            pipeline.load_lora_weights(file.parent, weight_name=file.name, **_SAFE)
            found = sum(_count(part) for part in networks(pipeline).values())
            _demand_all(file, name, wanted, found)
            pipeline.fuse_lora(lora_scale=scale)
            pipeline.unload_lora_weights()
    except (BenchError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"{file} can't be loaded as a LoRA of {name}: {type(error).__name__}: {error}",
            "take one that was trained for this pipeline",
        ) from error
    return {"sha256": hash_file(file), "scale": scale}


_SAFE = {"use_safetensors": True, "local_files_only": True}


def _need_peft() -> None:
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise AdapterError(
            f"a LoRA needs the package peft: {error}", "pip install 'cheers-bench[diffusers]'"
        ) from error


def _layers_of(pipeline: Any, file: Path) -> int:
    """Layers that the file adapts, its names brought to one form by the library."""
    found = type(pipeline).lora_state_dict(file.parent, weight_name=file.name, **_SAFE)
    tensors = found[0] if isinstance(found, tuple) else found
    return sum(bool(_DOWN.search(name)) for name in tensors)


def _count(network: Any) -> int:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return sum(isinstance(module, BaseTunerLayer) for module in network.modules())


def _demand_all(file: Path, name: str, wanted: int, found: int) -> None:
    if wanted != found or not found:
        raise CheckpointError(
            f"{file} adapts {wanted} layers, of which {name} has {found}",
            "take a LoRA that was trained for this pipeline",
        )
