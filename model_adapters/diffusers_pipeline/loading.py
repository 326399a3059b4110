"""Loading a pipeline, strictly: safetensors alone, no code, no weight left to chance."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from harness.checkpoints import resolve
from harness.errors import AdapterError, BenchError, CheckpointError, SpecError
from model_adapters.diffusers_pipeline.components import denoisers
from model_adapters.diffusers_pipeline.quiet import quietly
from model_adapters.tensors import check_tensors, demand_safetensors, some

__all__ = [
    "Loaded",
    "find",
    "load",
    "need_diffusers",
    "offload",
    "refuse_unused",
    "with_scheduler",
]


def need_diffusers() -> Any:
    """The library.

    Raises:
        AdapterError: It isn't installed; the remedy says how to install it.
    """
    try:
        return importlib.import_module("diffusers")
    except ImportError as error:
        raise AdapterError(
            f"pipelines of diffusers need the package diffusers: {error}",
            "pip install 'cheers-bench[diffusers]'",
        ) from error


def find(path: str, revision: str | None, variant: str | None) -> Path:
    """The local folder of a pipeline; of a hub id, only the files that it needs are downloaded.

    Raises:
        CheckpointError: There is no such folder, and no such repository of safetensors.
    """
    if Path(path).exists() or path.count("/") != 1:
        return resolve(path, revision)
    pipeline = need_diffusers().DiffusionPipeline
    try:
        with quietly():
            return Path(
                pipeline.download(
                    path,
                    revision=revision,
                    variant=variant,
                    use_safetensors=True,
                    trust_remote_code=False,
                )
            )
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"there is no folder {path}, and the hub does not give {path}: {error}",
            "check the name, the network, and that it has its weights as safetensors",
        ) from error


class Loaded(NamedTuple):
    """A pipeline, and what its files hold beside it."""

    pipeline: Any
    """The pipeline."""

    unused: Mapping[str, list[str]]
    """Names of tensors that a component has no place for, by component; others are absent."""


def load(
    folder: Path,
    dtype: str,
    device: str,
    variant: str | None = None,
    *,
    safety: bool = True,
    without: Collection[str] = (),
) -> Loaded:
    """Load a pipeline's folder.

    Args:
        folder: With model_index.json, and a folder for each component.
        dtype: Type of the weights, such as "bfloat16".
        device: Where they go.
        variant: Which of several sets of files, such as `fp16`.
        safety: Whether the safety checker is loaded, where there is one.
        without: Components that aren't loaded, since nothing will call them.

    Returns:
        The pipeline, in evaluation mode, on the device, silent, without a watermark; and what was
        left in its files.

    Raises:
        CheckpointError: Something is missing, misshapen, truncated, pickled, or needs code of its
            own; the message names it.
    """
    index = _index(folder)
    kind = _pipeline_class(folder, index)
    given = {} if safety else _without_safety(kind)
    given |= _left_out(kind, index) | dict.fromkeys(without)
    unused: dict[str, list[str]] = {}
    for name, (library, class_name) in _parts(index).items():
        if name not in given:
            model_class = _part_class(folder, name, library, class_name)
            if _is_model(model_class):
                given[name], extra = _model(folder, name, model_class, dtype, variant)
                unused |= {name: extra} if extra else {}
    with quietly(), _explained(folder, kind.__name__):
        pipeline = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, **given
        )
    _check_kind(folder, pipeline)
    if getattr(pipeline, "watermark", None) is not None:
        pipeline.watermark = None  # stamped only where a further package happens to be installed
    pipeline.set_progress_bar_config(disable=True)
    return Loaded(pipeline.to(device, silence_dtype_warnings=True), unused)


def with_scheduler(pipeline: Any, name: str | None) -> None:
    """Put another scheduler of diffusers into a pipeline, with the settings of its own.

    Raises:
        SpecError: The scheduler doesn't fit the pipeline's.
    """
    if name is None:
        return
    known = {scheduler.__name__: scheduler for scheduler in pipeline.scheduler.compatibles}
    known[type(pipeline.scheduler).__name__] = type(pipeline.scheduler)
    if name not in known:
        raise SpecError(
            f"scheduler={name!r} doesn't fit {type(pipeline).__name__}",
            f"it is one of {', '.join(sorted(known))}",
        )
    with quietly():
        pipeline.scheduler = known[name].from_config(pipeline.scheduler.config)


def _index(folder: Path) -> Mapping[str, Any]:
    path = folder / "model_index.json"
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing", "name the folder of a whole pipeline, not of one component"
        )
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise CheckpointError(f"{path} isn't a JSON object: {error}", "restore it") from error


def _pipeline_class(folder: Path, index: Mapping[str, Any]) -> Any:
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise _own_code(folder, f"the pipeline {name!r}")
    found = getattr(need_diffusers(), name, None)
    if not inspect.isclass(found) or not issubclass(found, need_diffusers().DiffusionPipeline):
        raise CheckpointError(
            f"{folder}: this version of diffusers has no pipeline {name!r}",
            "update diffusers; pipelines that bring code of their own aren't run",
        )
    return found


def _parts(index: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Components by name: library and class; those that a pipeline leaves empty are left out."""
    listed = {name: value for name, value in index.items() if isinstance(value, list)}
    pairs = {name: value for name, value in listed.items() if len(value) == 2}
    return {
        name: (pair[0], pair[1])
        for name, pair in pairs.items()
        if not name.startswith("_") and pair[0] is not None
    }


def _part_class(folder: Path, name: str, library: str, class_name: str) -> Any:
    module: Any = None
    if library in ("diffusers", "transformers"):
        module = importlib.import_module(library)
    elif library.isidentifier():
        module = getattr(need_diffusers().pipelines, library, None)
    if module is None:
        raise _own_code(folder, f"component {name!r} ({library}.{class_name})")
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        raise CheckpointError(
            f"{folder}: {library} has no {class_name}, which component {name!r} asks for",
            f"update {library if library == 'transformers' else 'diffusers'}",
        )
    return found


def _own_code(folder: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{folder}: {what} is code of its own, which isn't run",
        "take a pipeline whose classes are diffusers' and transformers' own",
    )


def _is_model(kind: Any) -> bool:
    from transformers import PreTrainedModel

    return issubclass(kind, need_diffusers().ModelMixin | PreTrainedModel)


def _without_safety(kind: Any) -> dict[str, Any]:
    taken = inspect.signature(kind).parameters
    off = {"safety_checker": None, "requires_safety_checker": False}
    return {name: value for name, value in off.items() if name in taken}


def _left_out(kind: Any, index: Mapping[str, Any]) -> dict[str, Any]:
    """Components that a folder says it does without, such as SD3's third text encoder."""
    taken = inspect.signature(kind).parameters
    return {name: None for name, pair in index.items() if pair == [None, None] and name in taken}


def _model(
    folder: Path, name: str, kind: Any, dtype: str, variant: str | None
) -> tuple[Any, list[str]]:
    """One component, every tensor of it from its files; and those that it has no place for."""
    _check_files(folder / name)
    ours = issubclass(kind, need_diffusers().ModelMixin)
    files = {"variant": variant} if variant and any((folder / name).glob(f"*.{variant}*")) else {}
    with quietly(), _explained(folder / name, kind.__name__):
        model, found = kind.from_pretrained(
            folder / name,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **{"torch_dtype" if ours else "dtype": getattr(torch, dtype)},
            **files,
        )
    check_tensors(folder / name, found, extra_tensors=True)  # named in the fingerprint
    return model.eval(), sorted(found["unexpected_keys"])


def refuse_unused(folder: Path, unused: Mapping[str, list[str]]) -> None:
    """Refuse a folder whose files hold more than the pipeline.

    Raises:
        CheckpointError: They do; the message names the tensors of one component.
    """
    for name, tensors in unused.items():
        raise CheckpointError(
            f"{folder / name}: the weights hold {some(tensors)}, which the model has no place for",
            "if these aren't needed, leave out extra_tensors=refuse",
        )


def offload(pipeline: Any, how: str, device: str) -> None:
    """Keep weights in main memory and bring them to the GPU when they're needed.

    Args:
        pipeline: The pipeline, on the CPU.
        how: `model` moves one component at a time, `sequential` one layer at a time.
        device: The GPU.
    """
    with quietly():
        if how == "model":
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.enable_sequential_cpu_offload(device=device)


def _check_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder / 'config.json'} is missing", "complete the folder")
    demand_safetensors(folder)


@contextmanager
def _explained(folder: Path, kind: str) -> Iterator[None]:
    """Whatever the libraries raise while they load, with the folder's name and a remedy."""
    try:
        yield
    except (BenchError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"{folder} can't be loaded as {kind}: {type(error).__name__}: {error}",
            "its files may be truncated or of another version: download them again",
        ) from error


def _check_kind(folder: Path, pipeline: Any) -> None:
    taken = inspect.signature(type(pipeline).__call__).parameters
    lacks = [name for name in ("prompt", "generator", "output_type") if name not in taken]
    wants = [name for name in ("mask_image", "control_image", "controlnet") if name in taken]
    wants += [name for name in ("controlnet", "adapter") if name in pipeline.components]
    problem = ""
    if lacks or not denoisers(pipeline):
        problem = f"takes no {lacks[0]}" if lacks else "has no denoiser that is known"
    elif wants:
        problem = f"wants {wants[0]}, which no task has"
    if problem:
        raise CheckpointError(
            f"{folder}: {type(pipeline).__name__} {problem}",
            "name a pipeline that draws from a text or edits a picture by one",
        )
