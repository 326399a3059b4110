"""What a gate is to judge: metrics of tasks, their rules, and why some can't be judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from harness.columns import ColumnBuilder
from harness.compare.comparison import paired_samples, why_not_comparable
from harness.compare.records import Skipped
from harness.errors import LedgerError, SpecError, UnknownNameError
from harness.gate.evidence import Columns, Evidence, gather
from harness.gate.policy import MetricRule, Policy, Seeds
from harness.machines import why_not_timed_alike
from harness.names import suggest
from harness.records import Direction, MetricSpec, RunStatus, TaskPlan
from harness.sources import Source

__all__ = ["Case", "find_cases", "ignored_tasks"]


@dataclass(frozen=True)
class Case:
    """One metric to judge."""

    task: str
    """Registry name of the task."""

    spec: MetricSpec
    """Definition of the metric, with the policy's direction."""

    rule: MetricRule
    """How it's judged."""

    primary: bool
    """Whether it's the task's primary metric."""

    reason: str = ""
    """Why it can't be judged; empty if it can."""

    evidence: Evidence | None = None
    """What is known; `None` where it can't be judged from the start."""


def find_cases(policy: Policy, baseline: Source, candidate: Source) -> list[Case]:
    """Read both runs and measure every metric that the policy names.

    Raises:
        SpecError: The policy names a metric that isn't there, or gives it a rule that doesn't fit.
        UnknownNameError: It names a task that neither run has.
    """
    found: list[Case] = []
    for task in _tasks(policy, baseline, candidate):
        plan = baseline.plan(task) or candidate.plan(task)
        if plan is not None:
            found += _task_cases(policy, plan, baseline, candidate)
    return found


def ignored_tasks(policy: Policy, baseline: Source, candidate: Source) -> list[Skipped]:
    """Tasks that the policy doesn't gate, and why."""
    gated = _tasks(policy, baseline, candidate)
    skipped: list[Skipped] = []
    for plan in (*baseline.manifest.tasks, *candidate.manifest.tasks):
        if plan.task not in gated and plan.task not in [one.task for one in skipped]:
            reason = "the policy doesn't name it" if policy.tasks else _why_ignored(plan, baseline)
            skipped.append(Skipped(task=plan.task, reason=reason))
    return skipped


def _tasks(policy: Policy, baseline: Source, candidate: Source) -> list[str]:
    known = [plan.task for side in (baseline, candidate) for plan in side.manifest.tasks]
    for name in policy.tasks:
        if name not in known:
            hint = suggest(name, known) or "they have: " + ", ".join(dict.fromkeys(known))
            raise UnknownNameError(f"the policy gates {name!r}, which neither run has", hint)
    if policy.tasks:
        return list(policy.tasks)
    return [plan.task for plan in baseline.manifest.tasks if not _why_ignored(plan, baseline)]


def _why_ignored(plan: TaskPlan, baseline: Source) -> str:
    """Why a gate without a list of tasks leaves one out."""
    primary = plan.metadata.primary
    if baseline.plan(plan.task) is None:
        return "the baseline doesn't have it"
    if not plan.applicable:
        return "it doesn't apply to the baseline's model"
    if primary.is_timing:
        return "timings are compared only where a policy gives them a ratio"
    return "its metric has no better side" if primary.direction is Direction.NEITHER else ""


def _task_cases(
    policy: Policy, plan: TaskPlan, baseline: Source, candidate: Source
) -> Iterator[Case]:
    cases = [
        _case(plan, name, rule)
        for name, rule in policy.rules(plan.task, plan.metadata.primary.name)
    ]
    reason = _why_unjudged(policy, plan.task, baseline, candidate)
    if not reason:
        try:
            cases = _measured(cases, plan.task, baseline, candidate)
        except LedgerError as error:
            reason = error.what
    for case in cases:
        own = reason or _own_reason(case, policy, baseline, candidate)
        yield replace(case, reason=own)


def _case(plan: TaskPlan, name: str, rule: MetricRule) -> Case:
    known = {spec.name: spec for spec in plan.metadata.metrics}
    if name not in known:
        hint = suggest(name, known) or "it has: " + ", ".join(known)
        raise SpecError(f"task {plan.task!r} has no metric {name!r}, which the policy gates", hint)
    spec = known[name]
    if rule.direction is not None:
        spec = msgspec.structs.replace(spec, direction=rule.direction)
    _check_rule(plan.task, spec, rule)
    return Case(plan.task, spec, rule, primary=name == plan.metadata.primary.name)


def _check_rule(task: str, spec: MetricSpec, rule: MetricRule) -> None:
    if spec.direction is Direction.NEITHER:
        raise SpecError(
            f"metric {spec.name!r} of {task!r} has no better side",
            "give it `direction: higher` or `direction: lower` in the policy",
        )
    if spec.is_timing and rule.ratio is None:
        raise SpecError(
            f"metric {spec.name!r} of {task!r} is a timing, which has no margin of its own",
            "give it a `ratio`, as 1.1, and two runs of one job on one machine",
        )


def _why_unjudged(policy: Policy, task: str, baseline: Source, candidate: Source) -> str:
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        if side.plan(task) is None:
            return f"the {name} doesn't have the task"
        if side.manifest.status is not RunStatus.COMPLETE:
            return f"the {name}'s run is {side.manifest.status.value}"
    return why_not_comparable(*(_plan(policy, side, task) for side in (baseline, candidate)))


def _plan(policy: Policy, side: Source, task: str) -> TaskPlan | None:
    plan = side.plan(task)
    if plan is None or policy.seeds is Seeds.SAME:
        return plan
    seedless = msgspec.structs.replace(plan.protocol, seed=0)
    return msgspec.structs.replace(plan, protocol=seedless)


def _measured(cases: list[Case], task: str, baseline: Source, candidate: Source) -> list[Case]:
    builders = [(ColumnBuilder(case.spec), ColumnBuilder(case.spec)) for case in cases]
    for a, b in paired_samples(task, baseline, candidate):
        for one, other in builders:
            if one.takes(a) and other.takes(b):
                one.add(a)
                other.add(b)
    measured = []
    for case, (one, other) in zip(cases, builders, strict=True):
        columns = Columns(one.column(), other.column())
        evidence = gather(task, case.spec, columns, primary=case.primary)
        measured.append(replace(case, evidence=evidence))
    return measured


def _own_reason(case: Case, policy: Policy, baseline: Source, candidate: Source) -> str:
    """Why one metric of comparable tasks can't be judged."""
    if case.evidence is None:
        return "nothing was measured"
    reason = _too_little(case.evidence, case.rule)
    if reason or case.rule.ratio is None:
        return reason
    return why_not_timed_alike(baseline.manifest, candidate.manifest, policy.hours)


def _too_little(evidence: Evidence, rule: MetricRule) -> str:
    found = evidence.difference
    whole = found.n + found.unknown
    if found.unknown > (rule.unknown or 0.0) * whole:
        return f"{found.unknown} of {whole} have no score in one of the runs"
    if found.n < (rule.minimum_n or 0):
        return f"{found.n} samples, and the policy wants {rule.minimum_n}"
    if found.difference is None:
        return "it has no value in one of the runs"
    lone = found.clusters < 2 and not evidence.identical
    return "one cluster tells nothing about others" if lone else ""
