"""`cheers-bench check-adapter`: what breaks adapters, tried on one."""

from __future__ import annotations

import sys

import click

from harness.cli.layout import columns

__all__ = ["command"]


@click.command("check-adapter")
@click.argument("model")
@click.option("--model-arg", "model_args", multiple=True, metavar="K=V", help="Model argument.")
@click.option("--steps", type=click.IntRange(1), help="Denoising steps of drawings.")
@click.option("--nats", type=float, help="Log-likelihoods may differ by so much.")
@click.option("--levels", type=int, help="Pictures may differ by so many grey levels of 255.")
def command(
    model: str,
    model_args: tuple[str, ...],
    steps: int | None,
    nats: float | None,
    levels: int | None,
) -> None:
    """Check that MODEL keeps the rules of an adapter; exit with 1 if it breaks one.

    MODEL is written as for `run`: NAME, NAME:LOCATION or FILE.py:NAME.
    """
    from harness.cli.flags import read_flags
    from harness.conformance import Status, Tolerance, check_adapter, check_closing
    from harness.models import build_model
    from harness.text import one_line

    ref = read_flags(tasks=(), model=model, model_args=model_args, label=None, task_options=())
    limits = {"nats": nats, "levels": levels}
    tolerance = Tolerance(**{name: v for name, v in limits.items() if v is not None})  # type: ignore[arg-type]
    adapter = build_model(ref["model"])
    try:
        findings = list(check_adapter(adapter, tolerance, steps))
    except BaseException:
        adapter.close()
        raise
    findings.append(check_closing(adapter))
    rows = [[f.check, f.status.value, one_line(f.detail)] for f in findings]
    click.echo(columns([["check", "result", "detail"], *rows], cut=False))
    counts = [sum(f.status is status for f in findings) for status in Status]
    click.echo("\n{} passed, {} failed, {} not applicable".format(*counts))
    if any(finding.status is Status.FAILED for finding in findings):
        sys.exit(1)
