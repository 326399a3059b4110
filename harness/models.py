"""Building the model that a run names."""

from __future__ import annotations

from harness.adapter import ModelAdapter
from harness.errors import SpecError
from harness.registry import models
from harness.runspec import ModelRef

__all__ = ["build_model"]


def build_model(ref: ModelRef) -> ModelAdapter:
    """Build the adapter of a registered model with the run's arguments.

    Raises:
        UnknownNameError: No model has that name.
        SpecError: It doesn't take these arguments.
    """
    factory = models().get(ref.name)
    try:
        return factory(**ref.args)
    except TypeError as error:
        raise SpecError(
            f"model {ref.name!r} doesn't take these arguments: {error}", "see its documentation"
        ) from error
