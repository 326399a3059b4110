"""What a baseline keeps of a run: no picture, no prompt of a sample, no answer."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import Record, RunManifest, TaskResult

__all__ = ["BASELINE_VERSION", "Baseline", "BaselineTask"]

BASELINE_VERSION = 1
"""Version of the file. A change that old readers can't read raises it and adds a step to
`harness.baselines.store.MIGRATIONS`."""


class BaselineTask(Record, frozen=True, kw_only=True):
    """Samples of one task in its order, as columns of equal length."""

    task: str
    """Registry name."""

    ids: tuple[str, ...]
    """Sample ids."""

    ks: tuple[int, ...] | None = None
    """Repeat indices; `None` where all are 0."""

    clusters: tuple[str | None, ...] | None = None
    """Clusters; `None` where all samples are clusters by their ids."""

    category_names: tuple[str, ...] = ()
    """Categories that occur, in the order of their first samples."""

    categories: tuple[int | None, ...] | None = None
    """Each sample's place in `category_names`; `None` where no sample has a category."""

    verdicts: str
    """One letter per sample: o(k), w(rong), u(nparsed), j(udge failed), e(rrored), m(issing)."""

    scores: Mapping[str, tuple[float | None, ...]]
    """Every score that occurs, `None` for samples without it."""

    result: TaskResult | None = None
    """The metrics as the run computed them, without its curves and tables."""


class Baseline(Record, frozen=True, kw_only=True):
    """One run, reduced to what comparisons need."""

    name: str
    """Name of the baseline."""

    manifest: RunManifest
    """The run's manifest, without its command line."""

    tasks: tuple[BaselineTask, ...]
    """Tasks in the run's order; those that didn't apply to the model have no samples."""

    schema_version: int = BASELINE_VERSION
    """Version of this record."""
