"""What a task says about itself, read off its YAML alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import SpecError
from harness.records import Capability, DatasetInfo, Modality, TaskMetadata
from tasks.lm_eval.metrics import DEFAULT_METRICS, metric_specs
from tasks.lm_eval.source import Source

__all__ = ["VERSION", "describe", "output_type", "split_of"]

VERSION = 1
"""Raised when the bridge itself would give other scores."""

_CITATION = (
    "Gao et al., The Language Model Evaluation Harness, doi:10.5281/zenodo.10256836; and the "
    "paper of the task itself"
)


def describe(source: Source) -> TaskMetadata:
    """Metadata of a task.

    Raises:
        SpecError: It's a group, is written in Python, shows pictures or plays sounds, or its
            configuration is malformed.
    """
    config = source.config
    _check_kind(source)
    output = output_type(source)
    asks = Capability.ANSWER if output == "generate_until" else Capability.LOGLIKELIHOOD
    metrics = metric_specs(config)
    if not metrics or any(spec.name.partition(",")[0] == "bypass" for spec in metrics):
        raise SpecError(f"{source.name} computes no metric", "name one in its metric_list")
    return TaskMetadata(
        name=source.name,
        summary=f"{config['task']} of lm-eval ({output}).",
        version=VERSION,
        requires=frozenset({asks, Capability.RAW_TEXT}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(
            name=_dataset_name(config),
            revision="known once loaded",
            split=split_of(source),
            licence="unknown",
        ),
        metrics=metrics,
        protocol_id=f"lm_eval/{config['task']}/v{_version(config)}",
        citation=_CITATION,
    )


def output_type(source: Source) -> str:
    """How the model is asked, as lm-eval calls it.

    Raises:
        SpecError: lm-eval has no such type.
    """
    output = str(source.config.get("output_type", "generate_until"))
    if output not in DEFAULT_METRICS:
        raise SpecError(
            f"{source.name}: output_type is {output!r}",
            f"it is one of {', '.join(DEFAULT_METRICS)}",
        )
    return output


def split_of(source: Source) -> str:
    """Split that is scored.

    Raises:
        SpecError: The task names none.
    """
    split = source.config.get("test_split") or source.config.get("validation_split")
    if not split:
        raise SpecError(
            f"{source.name} names no split to score", "give test_split or validation_split"
        )
    return str(split)


def _check_kind(source: Source) -> None:
    config, name = source.config, source.name
    if "class" in config:
        raise SpecError(f"{name} is written in Python", "only tasks in YAML can be run here")
    if "group" in config or not isinstance(config.get("task"), str):
        members = _members(config)
        listed = ", ".join(f"lm_eval:{member}" for member in members[:3])
        raise SpecError(
            f"{name} is a group of {len(members)} members, not a task"
            if members
            else f"{source.path} names no task",
            f"name its tasks one by one: {listed} ..." if members else "give it a key `task`",
        )
    for key in ("doc_to_image", "doc_to_audio"):
        if config.get(key):
            raise SpecError(
                f"{name} shows pictures or plays sounds ({key})", "only text tasks can be run here"
            )


def _members(config: Mapping[str, Any]) -> list[str]:
    listed = config.get("task")
    items = listed if isinstance(listed, list) else []
    return [str(i.get("task") or i.get("group")) if isinstance(i, dict) else str(i) for i in items]


def _dataset_name(config: Mapping[str, Any]) -> str:
    parts = (config.get("dataset_path"), config.get("dataset_name"))
    return "/".join(str(part) for part in parts if part) or "made by the task"


def _version(config: Mapping[str, Any]) -> str:
    metadata = config.get("metadata")
    found = metadata.get("version") if isinstance(metadata, dict) else None
    return "0" if found is None else str(found)
