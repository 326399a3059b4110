"""DPG-Bench: dense prompts, judged by questions to a visual question answering model."""

from tasks.dpg.task import DPGBench

__all__ = ["DPGBench"]
