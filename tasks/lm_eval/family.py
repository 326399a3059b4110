"""The family `lm_eval:TASK` and `lm_eval:FILE.yaml`; describing a task imports no lm_eval."""

from __future__ import annotations

from harness.family import TaskFamily
from harness.task import Task

__all__ = ["LM_EVAL", "LmEvalFamily"]


class LmEvalFamily(TaskFamily):
    """Tasks that the package lm_eval brings, by name, and tasks in users' YAML files."""

    summary = "Any YAML task of lm-eval, by name or file: lm_eval:arc_easy, lm_eval:./mine.yaml."

    def task(self, rest: str) -> type[Task]:
        """The task class of a name or file.

        Raises:
            AdapterError: lm_eval isn't installed.
            UnknownNameError: lm_eval has no such task.
            SpecError: The file is malformed, or what it describes can't be run here.
        """
        from tasks.lm_eval.finding import find
        from tasks.lm_eval.metadata import describe
        from tasks.lm_eval.source import read
        from tasks.lm_eval.task import LmEvalTask

        source = read(find(rest), rest)
        return type("LmEvalTask", (LmEvalTask,), {"source": source, "metadata": describe(source)})


LM_EVAL = LmEvalFamily()
"""The registered family."""
