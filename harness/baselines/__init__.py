"""Baselines: the scores of a run as one small file, to commit and to compare with."""

from harness.baselines.records import BASELINE_VERSION, Baseline, BaselineTask
from harness.baselines.store import (
    baseline_path,
    decode_baseline,
    list_baselines,
    make_baseline,
    read_baseline,
    save_baseline,
)

__all__ = [
    "BASELINE_VERSION",
    "Baseline",
    "BaselineTask",
    "baseline_path",
    "decode_baseline",
    "list_baselines",
    "make_baseline",
    "read_baseline",
    "save_baseline",
]
