"""Repeating a task over seeds: one run folder a seed, each resumed like any run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.noise.measuring import measure_noise
from harness.noise.records import NoiseReport
from harness.noise.store import write_noise
from harness.run.several import MakeProgress, execute_each
from harness.runspec import RunSpec

__all__ = ["NOISE_FILE", "repeat"]

NOISE_FILE = "noise.json"
"""Name of the file in the output folder."""


def repeat(
    spec: RunSpec,
    task: str,
    seeds: Sequence[int],
    *,
    progress: MakeProgress | None = None,
    command: Sequence[str] = (),
) -> NoiseReport:
    """Run a task under each seed, measure the spread, and write `noise.json`.

    Args:
        spec: The run; its `out` is the folder of all, its `seed` is ignored.
        task: Registry name of the task that the spec runs.
        seeds: Base seeds, at least two.
        progress: Makes who is told how far each run is; `None` is nobody.
        command: Command line for the manifests.

    Raises:
        BenchError: As `execute` and `measure_noise`; what was finished stays.
    """
    out = Path(spec.out)
    folders = [out / f"seed{seed}" for seed in seeds]
    runs = [
        msgspec.structs.replace(spec, seed=seed, out=str(folder))
        for seed, folder in zip(seeds, folders, strict=True)
    ]
    execute_each(runs, progress=progress, command=command)
    report = measure_noise(folders, task, out)
    write_noise(out / NOISE_FILE, report)
    return report
