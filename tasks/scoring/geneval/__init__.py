"""GenEval: from an object detector's boxes to a verdict, a reason and a summary.

The rules are those of djghosh13/geneval at commit af4902f. The steps, in order:
`parse_prompt` checks a prompt's metadata, `select_detections` keeps the boxes that count,
`evaluate` judges one image and `summary_scores` adds images up. `evaluate_detections` does the
middle two at once.
"""

from tasks.scoring.geneval.decision import ColorClassifier, evaluate, evaluate_detections
from tasks.scoring.geneval.failures import Failure, FailureKind, Judgement
from tasks.scoring.geneval.filtering import (
    DEFAULT_OPTIONS,
    Detection,
    FilterOptions,
    keep_rows,
    select_detections,
)
from tasks.scoring.geneval.geometry import RELATIONS, compute_iou, relative_position
from tasks.scoring.geneval.metadata import (
    COLORS,
    TAGS,
    PositionRule,
    PromptSpec,
    Requirement,
    parse_prompt,
    parse_prompt_lines,
)
from tasks.scoring.geneval.summary import GenEvalSummary, ImageResult, TaskScore, summary_scores

__all__ = [
    "COLORS",
    "DEFAULT_OPTIONS",
    "RELATIONS",
    "TAGS",
    "ColorClassifier",
    "Detection",
    "Failure",
    "FailureKind",
    "FilterOptions",
    "GenEvalSummary",
    "ImageResult",
    "Judgement",
    "PositionRule",
    "PromptSpec",
    "Requirement",
    "TaskScore",
    "compute_iou",
    "evaluate",
    "evaluate_detections",
    "keep_rows",
    "parse_prompt",
    "parse_prompt_lines",
    "relative_position",
    "select_detections",
    "summary_scores",
]
