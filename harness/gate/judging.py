"""Judging a candidate: evidence, adjustment for the number of metrics, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.compare.comparison import side_of
from harness.errors import SpecError
from harness.gate.cases import Case, find_cases, ignored_tasks
from harness.gate.changes import changes
from harness.gate.deciding import Reading, decide, decide_ratio, detectable_drop
from harness.gate.evidence import Evidence, fewest_clusters, gather_ratio
from harness.gate.looking import look, why_not_sequential
from harness.gate.policy import DEFAULT_POLICY, Policy, Undecided
from harness.gate.policy_file import read_margin
from harness.gate.records import GateReport, GateVerdict, MetricVerdict
from harness.noise.records import NoiseReport, family
from harness.noise.store import read_noise
from harness.numbers import level_text
from harness.records import Direction, MetricSpec
from harness.sources import Source, open_source
from harness.stats import Interval, holm

__all__ = ["judge"]


class _Context(NamedTuple):
    """What all metrics share."""

    policy: Policy
    """The policy."""

    floors: Mapping[tuple[str, str], float]
    """Noise floors by task and metric."""

    metrics: int
    """Number of metrics that alarms are adjusted for."""

    order: int | None
    """Seed of the sequential order; `None` looks at all samples at once."""


def judge(
    baseline: str | Path,
    candidate: str | Path,
    policy: Policy = DEFAULT_POLICY,
    *,
    sequential: int | None = None,
) -> GateReport:
    """Judge a candidate run against a baseline.

    Args:
        baseline: Run folder or baseline that is compared with.
        candidate: Run folder or baseline that is judged.
        policy: What is judged, and how large a drop is too large.
        sequential: Seed of an order of clusters; says where a sequential gate could have stopped.

    Raises:
        LedgerError: A path is neither run nor baseline, or is damaged; so is a noise file.
        SpecError: The policy doesn't fit the runs.
    """
    with open_source(baseline) as one, open_source(candidate) as other:
        cases = find_cases(policy, one, other)
        judged = sum(not case.reason for case in cases)
        floors = _floors(policy, one)
        context = _Context(policy, floors, max(judged, 1) if policy.holm else 1, sequential)
        return GateReport(
            baseline=side_of(one),
            candidate=side_of(other),
            policy=policy,
            metrics=tuple(_verdicts(cases, context)),
            changed=tuple(changes(one.manifest.fingerprint, other.manifest.fingerprint, policy)),
            ignored=tuple(ignored_tasks(policy, one, other)),
        )


def _floors(policy: Policy, baseline: Source) -> dict[tuple[str, str], float]:
    files = (policy.noise,) if isinstance(policy.noise, str) else policy.noise
    floors: dict[tuple[str, str], float] = {}
    for file in files:
        report = read_noise(file)
        _check_noise(file, report, baseline)
        floors |= {(report.task, metric.name): metric.floor for metric in report.metrics}
    return floors


def _check_noise(file: str, report: NoiseReport, baseline: Source) -> None:
    plan = baseline.plan(report.task)
    if plan is not None and family(plan.protocol) != report.family:
        raise SpecError(
            f"{file} holds the noise of another protocol of {report.task!r} than the baseline's",
            "measure it again: cheers-bench noise, with the baseline's options and limit",
        )


def _verdicts(cases: Sequence[Case], context: _Context) -> list[MetricVerdict]:
    tested = [
        case.evidence for case in cases if case.evidence and not case.reason and not case.rule.ratio
    ]
    worse = [found.p_worse() for found in tested]
    known = [1.0 if p is None else p for p in worse]
    down, up = known, [1 - p for p in known]
    if context.policy.holm:
        # Timings are adjusted for by their wider intervals; here they count as tests that pass.
        padding = [1.0] * (context.metrics - len(known))
        down, up = (holm([*values, *padding])[: len(known)] for values in (down, up))
    adjusted = iter(zip(down, up, strict=True))
    verdicts = []
    for case in cases:
        if case.reason or case.evidence is None:
            verdicts.append(_unjudged(case))
        elif case.rule.ratio is not None:
            verdicts.append(_timed(case, case.evidence, case.rule.ratio, context))
        else:
            verdicts.append(_judged(case, case.evidence, next(adjusted), context))
    return verdicts


def _judged(
    case: Case, found: Evidence, adjusted: tuple[float, float], context: _Context
) -> MetricVerdict:
    alpha, value = case.rule.alpha or context.policy.alpha, found.difference.difference
    floor = context.floors.get((case.task, case.spec.name), 0.0)
    wanted = read_margin(case.rule.margin or context.policy.margin)
    own = wanted.absolute(case.spec, found.difference.first or 0.0)
    margin = max(own, floor)
    limits = {"margin": margin, "floor": floor, "alpha": alpha}
    interval = found.interval(1 - 2 * alpha)
    facts = {
        **_facts(found),
        **_ends(interval, 1 - 2 * alpha),
        "margin": margin,
        "raised_from": own if own < floor else None,
        "floor": floor or None,
        "p_value": found.p_worse(),
        "p_adjusted": adjusted[0],
        "detectable": detectable_drop(found.known, metrics=context.metrics, **limits),
        **_savings(case, found, margin, alpha, context),
    }
    if found.identical:
        return _verdict(case, GateVerdict.EQUIVALENT, reason="no sample differs", **facts)
    reason = _too_few(case.spec, found.difference.clusters, 1 - 2 * alpha, unit="clusters")
    if interval is None or value is None or reason:
        return _verdict(case, GateVerdict.UNDECIDED, reason=reason, **facts)
    falling = case.spec.direction is Direction.LOWER
    sign, low = (-1, -interval.high) if falling else (1, interval.low)
    reading = Reading(sign * value, low, *adjusted)
    verdict = decide(reading, **limits)
    return _verdict(case, verdict, reason=_remark(verdict, reading, alpha), **facts)


def _ends(interval: Interval | None, level: float) -> dict[str, Any]:
    return {} if interval is None else {**interval._asdict(), "level": level}


def _remark(verdict: GateVerdict, reading: Reading, alpha: float) -> str:
    if verdict is GateVerdict.EQUIVALENT and reading.value < 0 and reading.p_worse < alpha:
        return "worse, by less than the margin"
    return ""


def _savings(
    case: Case, found: Evidence, margin: float, alpha: float, context: _Context
) -> dict[str, Any]:
    if context.order is None:
        return {}
    note, saving = why_not_sequential(case.spec), None
    if not note:
        # One sequence bounds both errors at once, so alarms are adjusted by Bonferroni.
        level = alpha / context.metrics
        saving = look(case.spec, found.columns, margin=margin, alpha=level, seed=context.order)
        note = "" if saving else "the margin is as large as the range"
    return {"saving": saving, "saving_note": note}


def _timed(case: Case, found: Evidence, ratio: float, context: _Context) -> MetricVerdict:
    alpha = case.rule.alpha or context.policy.alpha
    levels = 1 - 2 * alpha, 1 - 2 * alpha / context.metrics
    intervals = gather_ratio(case.spec, found.columns, levels)
    facts = _facts(found) | {"margin": ratio, "is_ratio": True, "difference": None}
    reason = _too_few(case.spec, found.difference.n, levels[1], unit="rounds")
    if intervals is None:
        reason = reason or "a round took no time"
        return _verdict(case, GateVerdict.UNDECIDED, reason=reason, **facts)
    plain, strict = intervals
    first, second = found.difference.first, found.difference.second
    if first and second:
        faster = case.spec.direction is Direction.HIGHER
        facts["difference"] = first / second if faster else second / first
    facts |= _ends(plain, levels[0])
    if reason:
        return _verdict(case, GateVerdict.UNDECIDED, reason=reason, **facts)
    return _verdict(case, decide_ratio(plain, strict, ratio=ratio), **facts)


def _too_few(spec: MetricSpec, n: int, level: float, *, unit: str) -> str:
    """Why no interval of a level is to be had from so many; empty if one is."""
    fewest = fewest_clusters(spec, level, is_ratio=unit == "rounds")
    if n >= fewest:
        return ""
    return f"{n} {unit} are too few for a {level_text(level)} interval, which takes {fewest}"


def _unjudged(case: Case) -> MetricVerdict:
    facts = {} if case.evidence is None else _facts(case.evidence)
    return _verdict(case, GateVerdict.UNJUDGED, reason=case.reason, **facts)


def _facts(found: Evidence) -> dict[str, Any]:
    difference = found.difference
    return {
        "baseline": difference.first,
        "candidate": difference.second,
        "difference": difference.difference,
        "n": difference.n,
        "clusters": difference.clusters,
        "unknown": difference.unknown,
        "bound_low": difference.bound_low,
        "bound_high": difference.bound_high,
    }


def _verdict(case: Case, verdict: GateVerdict, *, reason: str = "", **facts: Any) -> MetricVerdict:
    strict = case.rule.undecided is Undecided.FAIL
    fails = verdict is GateVerdict.REGRESSED or (verdict is GateVerdict.UNDECIDED and strict)
    return MetricVerdict(
        task=case.task,
        metric=case.spec,
        primary=case.primary,
        verdict=verdict,
        fails=fails,
        reason=reason,
        **facts,
    )
