"""Runs models of every kind on the embedded tasks and puts them into one table.

    python -m recipes.compare --out runs/compare cheers-nano cheers-nano-untrained

Besides the models that are named: a diffusers pipeline with random weights, the first model's
pictures as another program would have recorded them, and the first model behind an endpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_text
from harness.leaderboard import build_table, render
from harness.models import build_model, model_ref
from harness.plot import PlotSettings, draw
from harness.run import execute, make_progress
from harness.runspec import ModelRef, RunSpec, TaskRef
from recipes.compare.pipeline import write_pipeline
from recipes.compare.serve import serving

__all__ = ["compare", "main"]

TASKS = (
    TaskRef(task="shapes-geneval", options={"prompts": 2, "images": 1}),
    TaskRef(task="shapes-mmbench", options={"questions": 10}),
    TaskRef(task="probe-tokens"),
    TaskRef(
        task="probe-latency",
        options={"rounds": 3, "batch_rounds": 1, "batch_sizes": [1], "warmup": 1, "steps": 8},
    ),
)
"""Minutes for a small model on two cores."""

METRICS = (
    "shapes-geneval.image_accuracy",
    "shapes-mmbench.accuracy",
    "probe-tokens.llm_tokens",
    "probe-latency.answer_seconds_p50",
)
"""Columns beside the primary ones, of which one is the seconds of a picture."""


_PORT = 8642
"""The same each time: an endpoint's address is part of a run's identity."""


def compare(models: Sequence[str], out: Path, tasks: Sequence[TaskRef] = TASKS) -> Path:
    """Run everything and write table and figures; what was run before isn't run again.

    Args:
        models: As for `--model`; the first one is recorded and served, too.
        out: Folder of the runs.
        tasks: What is run.

    Returns:
        The table as Markdown.
    """
    runs = [_run(model_ref(name), _label(name), out, tasks) for name in models]
    pipeline = write_pipeline(out / "pipeline")
    drawn = model_ref(f"diffusers:{pipeline}", {"steps": 4})
    runs.append(_run(drawn, "diffusers, random weights", out, tasks))
    recorded = model_ref(f"recorded:{runs[0]}")
    benchmarks = [task for task in tasks if not task.task.startswith("probe-")]
    runs.append(_run(recorded, f"{_label(models[0])}, recorded", out, benchmarks))
    runs.append(_run_served(models[0], out, tasks))
    return _show(runs, out)


def _run_served(name: str, out: Path, tasks: Sequence[TaskRef]) -> Path:
    adapter = build_model(model_ref(name))
    label = f"{_label(name)}, served"
    try:
        with serving(adapter, _label(name), _PORT) as url:
            return _run(model_ref(f"openai:{url}", {"model": _label(name)}), label, out, tasks)
    finally:
        adapter.close()


def _run(model: ModelRef, label: str, out: Path, tasks: Sequence[TaskRef]) -> Path:
    folder = out / label.replace(", ", "-").replace(" ", "-")
    named = ModelRef(name=model.name, args=model.args, label=label)
    with make_progress() as progress:
        execute(
            RunSpec(tasks=tuple(tasks), model=named, out=str(folder)),
            progress=progress,
            command=["python", "-m", "recipes.compare"],
        )
    return folder


def _label(name: str) -> str:
    """What a model is called in the table: a location by its last part."""
    kind, _, place = name.partition(":")
    return f"{kind} {Path(place).name}" if place else kind


def _show(runs: Sequence[Path], out: Path) -> Path:
    table = build_table(runs, metrics=METRICS)
    for format_ in ("md", "html"):
        write_text(out / f"compare.{format_}", render(table, format_))
    costs = {"shapes-mmbench": "accuracy", "shapes-geneval": "image_accuracy"}
    for task, metric in costs.items():
        settings = PlotSettings(task=task, metric=metric, cost="seconds")
        for note in draw("pareto", runs, out / f"pareto-{task}.svg", settings):
            print(note)
    return out / "compare.md"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    given = parser.parse_args()
    table = compare(given.models, given.out)
    print(table.read_text())
    print(f"page and figures: {given.out.resolve()}")


if __name__ == "__main__":
    main()
