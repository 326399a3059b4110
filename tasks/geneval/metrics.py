"""GenEval's figures, for every task that has its six skills."""

from __future__ import annotations

from harness.records import Aggregation, MetricSpec

__all__ = ["SKILLS", "skill_metrics"]

SKILLS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
"""GenEval's six skills, in the order of the official prompt file."""


def skill_metrics(overall: str) -> tuple[MetricSpec, ...]:
    """The unweighted mean of the skills, each skill, and accuracy by image and by prompt.

    Args:
        overall: Description of the mean.
    """
    skills = (
        MetricSpec(
            name=skill,
            score="correct",
            category=skill,
            description=f"Right images among those of skill {skill}.",
        )
        for skill in SKILLS
    )
    return (
        MetricSpec(
            name="overall",
            score="correct",
            aggregation=Aggregation.MEAN_OF_CATEGORIES,
            description=overall,
        ),
        *skills,
        MetricSpec(name="image_accuracy", score="correct", description="Right images."),
        MetricSpec(
            name="prompt_accuracy",
            score="correct",
            aggregation=Aggregation.ANY_IN_CLUSTER,
            description="Prompts with at least one right image.",
        ),
    )
