"""Running: plan, ask the model, score, count; and resume, score again, or only plan."""

from harness.run.dryrun import Plan, PlannedWork, plan
from harness.run.execute import execute
from harness.run.progress import (
    NoProgress,
    PlainProgress,
    Progress,
    RichProgress,
    make_progress,
)
from harness.run.rescore import rescore
from harness.run.score_otherwise import score_otherwise
from harness.run.settings import EngineSettings
from harness.run.several import execute_each

__all__ = [
    "EngineSettings",
    "NoProgress",
    "PlainProgress",
    "Plan",
    "PlannedWork",
    "Progress",
    "RichProgress",
    "execute",
    "execute_each",
    "make_progress",
    "plan",
    "rescore",
    "score_otherwise",
]
