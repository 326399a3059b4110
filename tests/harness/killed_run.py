"""A slow run of toys in a process of its own, to be killed. Arguments: folder, log, seconds."""

import sys

from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.harness import toys

if __name__ == "__main__":
    out, log, sleep = sys.argv[1], sys.argv[2], float(sys.argv[3])
    for task in toys.TASKS:
        tasks().add(task.metadata.name, task)
    models().add("toy", toys.ToyModel)
    execute(
        RunSpec(
            tasks=tuple(TaskRef(task=task.metadata.name) for task in toys.TASKS),
            model=ModelRef(name="toy", args={"sleep": sleep, "log": log}),
            out=out,
            batch_size=3,
        )
    )
