"""`cheers-bench doctor`: what works on this machine, what is missing, how to get it."""

from __future__ import annotations

import sys

import click

from harness.cli.layout import columns

__all__ = ["command"]


@click.command("doctor")
def command() -> None:
    """Check this machine: packages, extras, device, disk, data cache, tasks and models."""
    from harness.doctor import examine

    findings = examine()
    click.echo(columns([[f.state.value, f.subject, f.detail] for f in findings], cut=False))
    if any(finding.is_problem for finding in findings):
        sys.exit(1)
