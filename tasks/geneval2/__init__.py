"""GenEval 2: compositional prompts, scored by how likely a judge gives the right answers."""

from tasks.geneval2.task import GenEval2

__all__ = ["GenEval2"]
