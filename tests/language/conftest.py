"""A tiny language model and small tasks of lm-eval in YAML, with their data; nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.language import tiny

ABSENT = "lm_eval and accelerate aren't installed; get them with: pip install 'cheers-bench[dev]'"

ITEMS = [
    ("two plus two", "four", 0, ["four", "five", "twenty two"]),
    ("the capital of France", "Paris", 1, ["Rome", "Paris", "a sea"]),
    ("the colour of grass", "green", 2, ["red", "blue", "green"]),
    ("what a bird does", "sings", 1, ["runs", "sings", "jumps over the lazy dog"]),
    ("zwei plus drei", "fünf", 1, ["vier", "fünf", "sechs und mehr"]),
    ("where the river runs", "the sea", 0, ["the sea", "a fox", "Italy"]),
    ("yes or no", "no", 1, ["yes", "no", "maybe so"]),
]

Write: TypeAlias = Callable[..., Path]
"""Writes a task's YAML: a name of `TASKS`, and what is to be changed in it."""


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {"question": q, "answer": a, "label": label, "choices": choices, "text": f"{q}. {a} " * n}
        for n, (q, a, label, choices) in enumerate(ITEMS, 2)
    ]
    tiny.write_lines(folder / "test.jsonl", rows)
    tiny.write_lines(folder / "train.jsonl", rows[::-1])
    return folder


def _config(data: Path, **parts: Any) -> dict[str, Any]:
    files = {name: str(data / f"{name}.jsonl") for name in ("test", "train")}
    return {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files, "cache_dir": str(data / "cache")},
        "test_split": "test",
        "metadata": {"version": 1.5},
        **parts,
    }


TASKS: dict[str, dict[str, Any]] = {
    "generate": {
        "task": "tiny_generate",
        "training_split": "train",
        "fewshot_split": "train",
        "num_fewshot": 2,
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": " {{answer}}",
        "generation_kwargs": {"until": ["\n", "in"], "do_sample": False, "max_gen_toks": 12},
        "filter_list": [
            {
                "name": "word",
                "filter": [
                    {"function": "regex", "regex_pattern": "([a-z]{2,})"},
                    {"function": "take_first"},
                ],
            },
            {"name": "whole", "filter": [{"function": "take_first"}]},
        ],
        "metric_list": [
            {"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True},
            {"metric": "chrf"},
        ],
    },
    "choose": {
        "task": "tiny_choose",
        "output_type": "multiple_choice",
        "training_split": "train",
        "num_fewshot": 1,
        "description": "Answer well.\n\n",
        "doc_to_text": "{{question}}:",
        "doc_to_target": "label",
        "doc_to_choice": "choices",
        "metric_list": [
            {"metric": name}
            for name in ("acc", "acc_norm", "acc_mutual_info", "exact_match", "brier_score")
        ],
    },
    "inputs": {
        "task": "tiny_inputs",
        "output_type": "multiple_choice",
        "doc_to_text": "label",
        "doc_to_target": "answer",
        "doc_to_choice": "choices",
        "metric_list": [{"metric": "acc"}],
    },
    "next": {
        "task": "tiny_next",
        "output_type": "loglikelihood",
        "doc_to_text": "{{question}} is ",
        "doc_to_target": "{{answer}}",
    },
    "rolling": {
        "task": "tiny_rolling",
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
    },
}
"""One task of each kind that lm-eval knows."""


@pytest.fixture
def write(data: Path, tmp_path: Path) -> Iterator[Write]:
    """Write tasks into `tmp_path`; a key that is changed to `None` is left out."""

    def make(kind: str, **changes: Any) -> Path:
        config = {k: v for k, v in {**TASKS[kind], **changes}.items() if v is not None}
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(_config(data, **config), allow_unicode=True))
        return path

    yield make
    from harness.registry import tasks

    tasks()._made.clear()  # the same path may hold another task in the next test
