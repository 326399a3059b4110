"""What exactly was asked and how it's scored: hashes and versions for the protocol."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.records import DatasetInfo, Identity, JsonValue
from tasks.lm_eval.loading import Loaded

__all__ = ["dataset_info", "doc_digest", "prompt_hash", "scorer"]

_DIGITS = 16
_SCORING = ("metric_list", "filter_list", "process_results")
_ELSEWHERE = (
    *("task_alias", "tag", "metadata", "num_fewshot", "unsafe_code", "repeats"),
    *("should_decontaminate", "doc_to_decontamination_query"),
)
_PLACES = ("data_files", "data_dir", "cache_dir")
_COMMIT = re.compile(r"[/\\]([0-9a-f]{40})[/\\]")  # `datasets` keeps hub data by their commit


def prompt_hash(loaded: Loaded) -> str:
    """Hash of all that prompts depend on; equal hashes ask the same, whatever is scored."""
    config = {k: v for k, v in _config(loaded).items() if k not in _SCORING}
    return _digest(config)


def scorer(loaded: Loaded) -> Identity:
    """lm-eval's release, and hash and version of the task's whole configuration."""
    config = _config(loaded)
    filters = [item["name"] for item in config.get("filter_list") or [{"name": "none"}]]
    return Identity(
        id="lm-eval",
        version=version("lm_eval"),
        settings={
            "task_version": str(loaded.task.VERSION),
            "config_sha256": _digest(config),
            "filters": filters,
        },
    )


def dataset_info(loaded: Loaded, base: DatasetInfo) -> DatasetInfo:
    """The data with the revision that was loaded, or the hash of the files.

    Args:
        loaded: The task.
        base: Name and split.
    """
    info = getattr(loaded.docs, "info", None)
    cached = [file["filename"] for file in getattr(loaded.docs, "cache_files", ())]
    commits = sorted({found[1] for file in cached if (found := _COMMIT.search(file))})
    local = _local_files(loaded, base.split)
    sha256 = _hash_files(local) if local else None
    known = ", ".join(commits) or (sha256[:12] if sha256 else "unknown")
    return DatasetInfo(
        name=base.name,
        revision=known,
        split=base.split,
        licence=getattr(info, "license", "") or "unknown",
        sha256=sha256,
        source=getattr(info, "homepage", "") or "",
    )


def doc_digest(doc: Any) -> str:
    """Hash of one document, to notice if the data change under a run's feet."""
    return _digest(doc)


def _local_files(loaded: Loaded, split: str) -> list[Path]:
    """Files on this machine that the scored split is read from."""
    given = (loaded.task.config.dataset_kwargs or {}).get("data_files") or ()
    named = given.get(split, ()) if isinstance(given, Mapping) else given
    paths = [Path(named)] if isinstance(named, str) else [Path(str(name)) for name in named]
    return [path for path in paths if path.is_file()]


def _config(loaded: Loaded) -> dict[str, Any]:
    """The resolved configuration, functions by their source; without places on this machine."""
    config = dict(loaded.task.dump_config())
    for key in _ELSEWHERE:
        config.pop(key, None)
    given = config.get("dataset_kwargs") or {}
    config["dataset_kwargs"] = {k: v for k, v in given.items() if k not in _PLACES}
    return config


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=_described)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _described(value: Any) -> JsonValue:
    """Something JSON doesn't know, without addresses in memory."""
    if callable(value):
        try:
            return inspect.getsource(value)
        except (TypeError, OSError):
            return f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tobytes"):  # arrays and pictures
        return hashlib.sha256(value.tobytes()).hexdigest()
    return str(value) if hasattr(value, "isoformat") else f"{type(value).__qualname__}"


def _hash_files(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
