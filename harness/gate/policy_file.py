"""Reading a policy: unknown keys, impossible values and unknown names are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import SpecError
from harness.gate.policy import Margin, MetricRule, Policy
from harness.names import suggest
from harness.records import Fingerprint
from harness.yaml_file import read_yaml

__all__ = ["read_margin", "read_policy"]

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def read_policy(path: str | Path) -> Policy:
    """Read and check a policy file.

    Raises:
        SpecError: The file is missing or isn't YAML, or a key is unknown or has an impossible
            value; the message names the place.
    """
    path = Path(path)
    try:
        policy = msgspec.convert(read_yaml(path), type=Policy)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {error}", _hint(str(error))) from error
    wrong = next(_faults(policy), "")
    if wrong:
        raise SpecError(f"{path}: {wrong}", "see docs/gate.md for what each key may be")
    files = (policy.noise,) if isinstance(policy.noise, str) else policy.noise
    noise = tuple(str(path.parent / file) for file in files)
    return msgspec.structs.replace(policy, noise=noise)


def read_margin(margin: float | str) -> Margin:
    """Read a margin as policies write it.

    Raises:
        ValueError: It's neither a positive number nor a positive percentage.

    Example:
        >>> read_margin("3%")
        Margin(amount=0.03, relative=True)
        >>> read_margin(0.5).relative
        False
    """
    percent = _PERCENT.fullmatch(margin.strip()) if isinstance(margin, str) else None
    amount = float(percent[1]) / 100 if percent else margin
    if isinstance(amount, str) or not 0 < amount < float("inf"):
        raise ValueError(f"margin {margin!r} is neither a positive number nor a percentage as '3%'")
    return Margin(amount=amount, relative=percent is not None)


def _faults(policy: Policy) -> Iterator[str]:
    yield from _rule_faults("policy", policy)
    if not policy.hours > 0:
        yield f"hours is {policy.hours}, not positive"
    fields = Fingerprint.__struct_fields__
    for name in policy.same:
        if name not in fields:
            hint = suggest(name, fields) or f"it has {', '.join(fields)}"
            yield f"same: a fingerprint has no {name!r}; {hint}"
    for task, rules in policy.tasks.items():
        for name, rule in (rules or {}).items():
            yield from _rule_faults(f"{task}, {name}", rule)
            if rule.ratio is not None and not rule.ratio > 1:
                yield f"{task}, {name}: ratio is {rule.ratio}, not above 1"
            if rule.ratio is not None and rule.margin is not None:
                yield f"{task}, {name}: a ratio of timings has no margin besides"


def _rule_faults(where: str, rule: Policy | MetricRule) -> Iterator[str]:
    if rule.margin is not None:
        try:
            read_margin(rule.margin)
        except ValueError as error:
            yield f"{where}: {error}"
    if rule.alpha is not None and not 0 < rule.alpha < 0.5:
        yield f"{where}: alpha is {rule.alpha}, not between 0 and 0.5"
    if rule.minimum_n is not None and rule.minimum_n < 0:
        yield f"{where}: minimum_n is {rule.minimum_n}, which is negative"
    if rule.unknown is not None and not 0 <= rule.unknown < 1:
        yield f"{where}: unknown is {rule.unknown}, not a share below 1"


def _hint(message: str) -> str:
    """The nearest known key, and the keys that the place has."""
    unknown = re.search(r"unknown field `(.*?)`", message)
    fields = MetricRule.__struct_fields__ if ".tasks" in message else Policy.__struct_fields__
    keys = f"keys here: {', '.join(fields)}"
    return "; ".join(filter(None, (unknown and suggest(unknown[1], fields), keys)))
