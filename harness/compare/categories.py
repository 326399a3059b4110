"""A task's primary metric in two runs, category by category."""

from __future__ import annotations

import msgspec

from harness.columns import ColumnBuilder
from harness.compare.measuring import adjusted, measure_difference
from harness.compare.records import Difference
from harness.records import Aggregation, MetricSpec, ScoredSample, TaskPlan

__all__ = ["CategoryPairs"]


class CategoryPairs:
    """Gathers the scores of two runs by category, of the same samples in the same order.

    Args:
        plan: The task; of its metrics the primary one is compared.
    """

    def __init__(self, plan: TaskPlan) -> None:
        self._plan = plan
        self._spec = _within(plan.metadata.primary)
        self._builders: dict[str, tuple[ColumnBuilder, ColumnBuilder]] = {}

    def add(self, first: ScoredSample, second: ScoredSample) -> None:
        """Take a sample of both runs; one without category belongs to none."""
        name = first.sample.category
        if not name:
            return
        if name not in self._builders:
            self._builders[name] = ColumnBuilder(self._spec), ColumnBuilder(self._spec)
        one, other = self._builders[name]
        if one.takes(first) and other.takes(second):
            one.add(first)
            other.add(second)

    def differences(self) -> list[Difference]:
        """One for each category by name, adjusted for their number; none for a lone category."""
        if len(self._builders) < 2 or self._spec.category is not None:
            return []
        found = [self._difference(name) for name in sorted(self._builders)]
        return adjusted([one for one in found if one.n or one.unknown])

    def _difference(self, name: str) -> Difference:
        one, other = self._builders[name]
        measured = measure_difference(
            self._plan.task,
            self._spec,
            one.column(),
            other.column(),
            protocol_hash=self._plan.protocol.hash,
            primary=True,
            tests=len(self._builders),
        )
        return msgspec.structs.replace(measured, category=name)


def _within(spec: MetricSpec) -> MetricSpec:
    """The metric inside of one category, where a mean of categories is a plain mean."""
    if spec.aggregation is not Aggregation.MEAN_OF_CATEGORIES:
        return spec
    return msgspec.structs.replace(spec, aggregation=Aggregation.MEAN)
