"""Baselines made by hand: whatever a run could have scored, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.aggregate import aggregate
from harness.baselines import Baseline, save_baseline
from harness.baselines.packing import pack
from harness.records import (
    Aggregation,
    DatasetInfo,
    Direction,
    Environment,
    Fingerprint,
    Identity,
    MetricSpec,
    Modality,
    ModelCard,
    Outcome,
    Protocol,
    RunManifest,
    RunStatus,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskPlan,
    Verdict,
)

DATA = DatasetInfo(name="made", revision="1", split="test", licence="CC0-1.0")
METRICS = (
    MetricSpec(name="accuracy", score="s"),
    MetricSpec(name="every", score="s", aggregation=Aggregation.ALL_IN_CLUSTER),
    MetricSpec(name="kinds", score="s", aggregation=Aggregation.MEAN_OF_CATEGORIES),
    MetricSpec(name="total", score="s", aggregation=Aggregation.SUM, high=None),
    MetricSpec(name="f1", score="s", over="actual", aggregation=Aggregation.F1),
    MetricSpec(name="loss", score="loss", direction=Direction.LOWER, high=None, unit="nats"),
    MetricSpec(name="middle", score="loss", aggregation=Aggregation.MEDIAN, high=None),
    MetricSpec(name="style", score="s", direction=Direction.NEITHER),
    *(
        MetricSpec(
            name=name,
            score="seconds",
            aggregation=kind,
            direction=Direction.LOWER,
            high=None,
            unit="s",
        )
        for name, kind in (
            ("p50", Aggregation.MEDIAN),
            ("p90", Aggregation.P90),
            ("p99", Aggregation.P99),
        )
    ),
    MetricSpec(name="speed", score="per_second", high=None, unit="items/s"),
)


def metadata(task: str, primary: str = "accuracy") -> TaskMetadata:
    first = [spec for spec in METRICS if spec.name == primary]
    return TaskMetadata(
        name=task,
        summary="Made by hand.",
        version=1,
        requires=frozenset(),
        inputs=(Modality.TEXT,),
        outputs=(Modality.TEXT,),
        dataset=DATA,
        metrics=(*first, *(spec for spec in METRICS if spec.name != primary)),
        protocol_id=f"{task}/v1",
        citation="none",
    )


def plan(task: str, seed: int = 0, primary: str = "accuracy", version: str = "1") -> TaskPlan:
    protocol = Protocol(
        id=f"{task}/v1",
        task=task,
        task_version=1,
        dataset=DATA,
        prompt_template="",
        scorer=Identity(id="made", version=version),
        seed=seed,
    )
    return TaskPlan(
        task=task, options={}, limit=None, metadata=metadata(task, primary), protocol=protocol
    )


def rows(
    scores: Sequence[float | None], size: int = 1, seconds: Sequence[float] | None = None
) -> list[ScoredSample]:
    """Samples with these scores, `size` to a prompt; `None` is an error of the model."""
    return [_row(i, score, size, seconds) for i, score in enumerate(scores)]


def _row(i: int, score: float | None, size: int, seconds: Sequence[float] | None) -> ScoredSample:
    sample = Sample(id=f"p{i // size}", k=i % size, category="even" if i // size % 2 else "odd")
    if score is None:
        return ScoredSample(sample=sample, outcome=Outcome(verdict=Verdict.ERRORED))
    time = 1.0 if seconds is None else float(seconds[i])
    scores = {"s": float(score), "loss": 2.0 - score, "seconds": time}
    scores |= {"actual": 1.0} if score in (0, 1) else {}
    verdict = Verdict.OK if score else Verdict.WRONG
    outcome = Outcome(verdict=verdict, scores={**scores, "per_second": 1 / time})
    return ScoredSample(sample=sample, outcome=outcome)


def share(right: int, n: int) -> list[float]:
    """The first `right` of `n` samples are right."""
    return [float(i < right) for i in range(n)]


def flipped(scores: Sequence[float], count: int, seed: int = 0) -> list[float]:
    """The same scores with `count` right ones turned wrong, picked by the seed."""
    right = [i for i, score in enumerate(scores) if score]
    lost = set(np.random.default_rng(seed).choice(right, count, replace=False).tolist())
    return [0.0 if i in lost else score for i, score in enumerate(scores)]


ENVIRONMENT = Environment(
    python="3.12.1",
    platform="Linux",
    packages={"torch": "2.9", "cheers-bench": "1"},
    cpu="A",
    threads=2,
    commit="abc",
)


def made(
    folder: Path,
    name: str,
    tasks: dict[str, list[ScoredSample]],
    *,
    seed: int = 0,
    primary: str = "accuracy",
    version: str = "1",
    defaults: dict[str, Any] | None = None,
    with_results: bool = False,
    **changes: Any,
) -> Path:
    """Write a baseline file.

    Args:
        folder: Where to.
        name: Its name.
        tasks: Samples by task.
        seed: Base seed, part of the protocols.
        primary: Primary metric of each task.
        version: Version of the scorer, part of the protocols.
        defaults: Decoding defaults in the fingerprint.
        with_results: Whether metrics are computed and stored.
        changes: Other fields of the manifest.
    """
    plans = tuple(plan(task, seed, primary, version) for task in tasks)
    fingerprint = Fingerprint(
        model="made",
        adapter="tests",
        code_version="1",
        weights_sha256="w0",
        config={},
        defaults=defaults or {},
        dtype="float32",
        device="cpu",
    )
    manifest = RunManifest(
        run_id=name,
        created="2026-01-01T00:00:00+00:00",
        command=(),
        model=ModelCard(
            name="made", summary="", capabilities=frozenset(), licence="CC0-1.0", source=""
        ),
        model_args={},
        fingerprint=fingerprint,
        tasks=plans,
        seed=seed,
        environment=ENVIRONMENT,
        status=RunStatus.COMPLETE,
        label=name,
    )
    results = {
        one.task: aggregate(one.metadata, tasks[one.task], one.protocol)
        for one in plans
        if with_results
    }
    packed = tuple(pack(one.task, tasks[one.task], results.get(one.task)) for one in plans)
    baseline = Baseline(
        name=name, manifest=msgspec.structs.replace(manifest, **changes), tasks=packed
    )
    return save_baseline(baseline, folder)
