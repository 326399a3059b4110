"""GenEval's totals: by image, by prompt and by skill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["GenEvalSummary", "ImageResult", "TaskScore", "summary_scores"]


class ImageResult(msgspec.Struct, frozen=True, kw_only=True):
    """One image's verdict, as the summary needs it."""

    tag: str
    """The prompt's skill."""
    prompt: str
    """What makes images belong together: the prompt's record or id, not only its text."""
    correct: bool
    """Whether the image is right."""


class TaskScore(msgspec.Struct, frozen=True, kw_only=True):
    """One skill's share of right images."""

    n_correct: int
    """Right images."""
    n_images: int
    """Images."""

    @property
    def score(self) -> float:
        """Share of right images, in [0, 1]."""
        return self.n_correct / self.n_images


class GenEvalSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The totals that the original prints."""

    tasks: dict[str, TaskScore]
    """Skill to its score, in the order in which skills first appear."""
    overall: float
    """GenEval's score: the unweighted mean over the skills present, in [0, 1]."""
    image_accuracy: float
    """Share of right images, in [0, 1]."""
    prompt_accuracy: float
    """Share of prompts with at least one right image, in [0, 1]."""
    n_images: int
    """Images."""
    n_prompts: int
    """Different prompts."""

    @property
    def task_scores(self) -> dict[str, float]:
        """Skill to share of right images."""
        return {tag: task.score for tag, task in self.tasks.items()}


def summary_scores(results: Iterable[ImageResult]) -> GenEvalSummary:
    """Add up the verdicts of many images.

    As `evaluation/summary_scores.py` of djghosh13/geneval at commit af4902f. Skills that are
    absent don't enter the overall score, so a partial run's score isn't comparable: check
    `tasks` and `n_images` first.

    Args:
        results: One entry per image; images of one prompt share `prompt`.

    Returns:
        The totals.

    Raises:
        ValueError: There is no image.

    Example:
        >>> summary = summary_scores(
        ...     [
        ...         ImageResult(tag="counting", prompt="two cows", correct=True),
        ...         ImageResult(tag="counting", prompt="two cows", correct=False),
        ...         ImageResult(tag="colors", prompt="a red cow", correct=True),
        ...     ]
        ... )
        >>> summary.task_scores, summary.overall, summary.prompt_accuracy
        ({'counting': 0.5, 'colors': 1.0}, 0.75, 1.0)
    """
    by_tag: dict[str, list[bool]] = {}
    by_prompt: dict[str, bool] = {}
    for result in results:
        by_tag.setdefault(result.tag, []).append(result.correct)
        by_prompt[result.prompt] = by_prompt.get(result.prompt, False) or result.correct
    if not by_tag:
        raise ValueError("no images to summarise")
    tasks = {
        tag: TaskScore(n_correct=sum(verdicts), n_images=len(verdicts))
        for tag, verdicts in by_tag.items()
    }
    n_images = sum(task.n_images for task in tasks.values())
    return GenEvalSummary(
        tasks=tasks,
        overall=_mean([task.score for task in tasks.values()]),
        image_accuracy=sum(task.n_correct for task in tasks.values()) / n_images,
        prompt_accuracy=sum(by_prompt.values()) / len(by_prompt),
        n_images=n_images,
        n_prompts=len(by_prompt),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
