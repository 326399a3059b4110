"""`cheers-bench reproduce`: published numbers beside ours."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.showing import show

__all__ = ["command"]


@click.command("reproduce")
@click.argument("folders", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", default="cheers", show_default=True, help="The published model's name.")
@click.option("--run-as", help="The model on the command line; --model without it.")
@click.option("--suite", default="paper", show_default=True, help="Suite with their protocols.")
@click.option("--published", type=click.Path(path_type=Path), help="Folder of published numbers.")
@click.option(
    "--flips",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of greedy answers that other kernels or another precision flip.",
)
@click.option("--plan", "planning", is_flag=True, help="What it would cost; runs nothing.")
@click.option("--latency", type=click.Path(path_type=Path), help="With --plan: a run's probe.")
@click.option(
    "--format", "format_", type=click.Choice(["md", "json"]), default="md", show_default=True
)
@click.option("--output", type=click.Path(path_type=Path), help="File; standard output otherwise.")
def command(
    folders: tuple[Path, ...],
    *,
    model: str,
    run_as: str | None,
    suite: str,
    published: Path | None,
    flips: float,
    planning: bool,
    latency: Path | None,
    format_: str,
    output: Path | None,
) -> None:
    """Compare RUNs with what was published of a model, and say why they differ.

    Of what no run has, it prints the one command that runs it.
    """
    from harness.published import published_folder, read_published, reproduce
    from harness.published.text import to_json, to_markdown
    from harness.registry import suites

    if planning:
        show(_costs(suite, run_as or model, latency), output, newline=False)
        return
    chosen = suites().get(suite)
    found = reproduce(
        model,
        read_published(published or published_folder()),
        folders,
        chosen,
        run_as or model,
        variants=[suites().get(name) for name in chosen.variants],
        flips=flips,
    )
    show(to_json(found) if format_ == "json" else to_markdown(found), output, newline=False)


def _costs(suite: str, run_as: str, latency: Path | None) -> str:
    from harness.models import model_ref
    from harness.published.planning import costs, costs_text, read_rates
    from harness.registry import suites

    rates = read_rates(latency)
    return costs_text(costs(suites().get(suite).entries, model_ref(run_as), rates), rates) + "\n"
