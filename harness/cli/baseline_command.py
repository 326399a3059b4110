"""`cheers-bench baseline`: keep a run's scores as one small file, to compare with later."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

_FOLDER = Path("results/baselines")


@click.group("baseline")
def command() -> None:
    """Save runs as small files; `compare`, `gate`, `history` and `leaderboard` read them."""


@command.command("save")
@click.argument("run", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the baseline.")
@click.option(
    "--to", type=click.Path(path_type=Path), default=_FOLDER, show_default=True, help="Folder."
)
@click.option("--replace", is_flag=True, help="Overwrite another baseline of that name.")
@click.option("--allow-unknown", is_flag=True, help="Although samples are without a score.")
def _save(run: Path, name: str, to: Path, *, replace: bool, allow_unknown: bool) -> None:
    """Save the scores of a complete run, without pictures, prompts and answers."""
    from harness.baselines import make_baseline, save_baseline

    baseline = make_baseline(run, name, allow_unknown=allow_unknown)
    path = save_baseline(baseline, to, replace=replace)
    samples = sum(len(task.ids) for task in baseline.tasks)
    click.echo(f"{path}: {len(baseline.tasks)} tasks, {samples} samples, {_size(path)}")


@command.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=_FOLDER)
def _list(folder: Path) -> None:
    """List the baselines of a folder."""
    from harness.baselines import list_baselines, read_baseline
    from harness.cli.layout import columns

    rows = [["baseline", "model", "made", "tasks", "samples", "size"]]
    for path in list_baselines(folder):
        baseline = read_baseline(path)
        manifest = baseline.manifest
        samples = sum(len(task.ids) for task in baseline.tasks)
        label = manifest.label or manifest.model.name
        counts = [str(len(baseline.tasks)), str(samples), _size(path)]
        rows.append([str(path), label, manifest.created, *counts])
    click.echo(columns(rows, cut=False) if len(rows) > 1 else f"no baselines in {folder}")


@command.command("show")
@click.argument("path", type=click.Path(path_type=Path))
def _show(path: Path) -> None:
    """Show a baseline's metrics, and what they're of."""
    from harness.baselines import read_baseline
    from harness.cli.results import results_table

    manifest = read_baseline(path).manifest
    facts = manifest.fingerprint
    commit = manifest.environment.commit or "unknown"
    click.echo(
        f"weights {facts.weights_sha256 or 'none'}, {facts.dtype} on {facts.device}, "
        f"seed {manifest.seed}, made {manifest.created} at commit {commit}"
    )
    click.echo(results_table(path))


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1024:.0f} KiB"
