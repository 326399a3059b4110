"""Whether two runs' timings may be compared: one machine, one software, one job."""

from __future__ import annotations

import datetime as dt

from harness.records import RunManifest, digest

__all__ = ["machine", "why_not_timed_alike"]

_FACTS = ("python", "platform", "cpu", "threads", "gpu")
_OWN = "cheers-bench"  # the package under test may differ


def why_not_timed_alike(first: RunManifest, second: RunManifest, hours: float | None = None) -> str:
    """Why timings of two runs can't be compared; empty if they can.

    Args:
        first: Manifest of one run.
        second: Manifest of the other.
        hours: Most hours between their starts; `None` is any.
    """
    changed = [*_differing(first, second), *_device(first, second)]
    if changed:
        return "timed on another machine or software: " + "; ".join(changed)
    starts = [dt.datetime.fromisoformat(manifest.created) for manifest in (first, second)]
    apart = abs((starts[1] - starts[0]).total_seconds()) / 3600
    if hours is not None and apart > hours:
        return f"timed {apart:.0f} hours apart; the policy allows {hours:g}"
    return ""


def machine(manifest: RunManifest) -> str:
    """Digest of all that timings depend on besides the code and the model."""
    facts = manifest.environment
    packages = {name: version for name, version in facts.packages.items() if name != _OWN}
    values = [getattr(facts, name) for name in _FACTS]
    return digest([values, packages, manifest.fingerprint.device])


def _differing(first: RunManifest, second: RunManifest) -> list[str]:
    one, other = first.environment, second.environment
    changed = [
        f"{name} {getattr(one, name)} and {getattr(other, name)}"
        for name in _FACTS
        if getattr(one, name) != getattr(other, name)
    ]
    for package in sorted({*one.packages, *other.packages} - {_OWN}):
        versions = [side.packages.get(package) or "none" for side in (one, other)]
        if versions[0] != versions[1]:
            changed.append(f"{package} {versions[0]} and {versions[1]}")
    return changed


def _device(first: RunManifest, second: RunManifest) -> list[str]:
    devices = [manifest.fingerprint.device for manifest in (first, second)]
    return [] if devices[0] == devices[1] else [f"device {devices[0]} and {devices[1]}"]
