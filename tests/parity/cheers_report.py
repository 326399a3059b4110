"""Print the worst error of each golden case: `python -m tests.parity.cheers_report`."""

from __future__ import annotations

import sys
from collections import defaultdict

import torch

from tests.parity.cheers_golden import golden, relative_error
from tests.parity.cheers_themes import comparable, is_input, rule_of


def main() -> None:
    worst: dict[tuple[str, float], tuple[float, str]] = defaultdict(lambda: (0.0, "exact"))
    counts: dict[tuple[str, float], int] = defaultdict(int)
    for name in golden().names:
        found = None if is_input(name) else rule_of(name)
        if found is None:
            continue
        rule, match = found
        with torch.no_grad():
            ours = rule.compute(golden(), match)
        actual, expected = comparable(ours, golden()[name], name)
        group = name.split(".")[0], ours.tolerance if expected.is_floating_point() else 0.0
        counts[group] += 1
        if not ours.absolute and expected.is_floating_point():
            worst[group] = max(worst[group], (relative_error(actual, expected), name))
    lines = ["| case | tensors | tolerance | worst error | at |", "|---|---|---|---|---|"]
    for group, count in sorted(counts.items()):
        error, name = worst[group]
        tolerance = f"{group[1]:.0e}" if group[1] else "equal"
        at = name.removeprefix(group[0] + ".") if name != "exact" else ""
        lines.append(f"| {group[0]} | {count} | {tolerance} | {error:.1e} | {at} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
