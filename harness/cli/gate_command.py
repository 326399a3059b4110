"""`cheers-bench gate`: does a candidate go through?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import BenchError

if TYPE_CHECKING:
    from harness.gate import GateReport
    from harness.gate.text import Format

__all__ = ["command"]

_FILE = click.Path(path_type=Path)


@click.command("gate")
@click.option(
    "--baseline", required=True, type=_FILE, help="Run, baseline or FILE.json[::TEST] of pytest."
)
@click.option("--candidate", required=True, type=_FILE, help="The same, to judge.")
@click.option("--policy", "policy_file", type=_FILE, help="Policy (YAML); see docs/gate.md.")
@click.option("--sequential", is_flag=True, help="Advice: say where looking could have stopped.")
@click.option(
    "--order-seed", type=int, default=0, show_default=True, help="Seed of the order of looking."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="Format of the report.",
)
@click.option("--output", type=_FILE, help="File; standard output otherwise.")
@click.option("--junit", type=_FILE, help="Also write JUnit XML to this file.")
@click.option("--summary", type=_FILE, help="Also write the report as Markdown to this file.")
@click.option(
    "--job-summary", is_flag=True, help="Also add it to the file that $GITHUB_STEP_SUMMARY names."
)
@click.option("--annotations", is_flag=True, help="Also print annotations of GitHub Actions.")
def command(
    *,
    baseline: Path,
    candidate: Path,
    policy_file: Path | None,
    sequential: bool,
    order_seed: int,
    format_: Format,
    output: Path | None,
    junit: Path | None,
    summary: Path | None,
    job_summary: bool,
    annotations: bool,
) -> None:
    """Judge a candidate against a baseline, metric by metric.

    Exit code 0: passed; 1: a metric regressed, or fails by the policy; 2: could not judge, because
    of another protocol, an incomplete run, other samples or a missing task.
    """
    from harness.gate.annotations import to_annotations
    from harness.gate.text import render

    try:
        report = _report(baseline, candidate, policy_file, order_seed if sequential else None)
        _write(report, output, render(report, format_))
        _write_others(report, junit=junit, summary=summary, job_summary=job_summary)
    except BenchError as error:
        error.exit_code = 2
        raise
    if annotations:
        click.echo(to_annotations(report), nl=False)
    sys.exit(report.exit_code)


def _report(
    baseline: Path, candidate: Path, policy_file: Path | None, order: int | None
) -> GateReport:
    from harness.gate import DEFAULT_POLICY, judge, read_policy

    policy = DEFAULT_POLICY if policy_file is None else read_policy(policy_file)
    return judge(baseline, candidate, policy, sequential=order)


def _write(report: GateReport, output: Path | None, text: str) -> None:
    from harness.files import write_text
    from harness.gate.numbers import headline

    if output is None:
        click.echo(text, nl=False)
        return
    write_text(output, text)
    click.echo(headline(report), err=True)


def _write_others(
    report: GateReport, *, junit: Path | None, summary: Path | None, job_summary: bool
) -> None:
    from harness.files import write_text
    from harness.gate.junit import to_junit
    from harness.gate.text import to_markdown

    if junit is not None:
        write_text(junit, to_junit(report))
    if summary is not None:
        write_text(summary, to_markdown(report))
    if job_summary:
        _add_to_job(to_markdown(report))


def _add_to_job(text: str) -> None:
    """GitHub joins what all steps add, so this file is added to and never replaced."""
    from harness.errors import LedgerError

    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        click.echo("GITHUB_STEP_SUMMARY isn't set: no job to add a summary to", err=True)
        return
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise LedgerError(
            f"{name} can't be written: {error.strerror}", "check $GITHUB_STEP_SUMMARY"
        ) from error
