"""One model under lm-eval's evaluator and under ours: equal texts, likelihoods and metrics."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from harness.ledger import Ledger
from harness.records import Verdict
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.language import tiny
from tests.language.conftest import ABSENT, ITEMS, TASKS, Write

pytest.importorskip("lm_eval", reason=ABSENT)
pytest.importorskip("accelerate", reason=ABSENT)

NATS = 1e-4


class Theirs(NamedTuple):
    """What lm-eval's evaluator says about one task."""

    metrics: dict[str, float]
    samples: dict[str, list[dict[str, Any]]]  # by filter


class Ours(NamedTuple):
    metrics: dict[str, float]
    entries: list[Any]


@pytest.fixture(scope="module")
def hflm(checkpoint: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lm-eval's own imports
        from lm_eval.models.huggingface import HFLM

        return HFLM(str(checkpoint), device="cpu", dtype="float32", batch_size=1)


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Spare lm-eval its survey of the machine, which takes a second each time."""
    caplog.set_level("ERROR", "lm_eval")
    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda results: None)
    monkeypatch.setattr("lm_eval.evaluator.get_git_commit_hash", lambda: "")


def _theirs(hflm: Any, path: Path, **settings: Any) -> Theirs:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = simple_evaluate(
            model=hflm,
            tasks=[str(path)],
            task_manager=TaskManager(include_defaults=False),
            bootstrap_iters=0,
            **settings,
        )
    (name,) = found["results"]
    values = {k: v for k, v in found["results"][name].items() if isinstance(v, float | int)}
    metrics = {k.removesuffix(",none"): v for k, v in values.items() if k != "sample_len"}
    by_filter: dict[str, list[dict[str, Any]]] = {}
    for sample in found["samples"][name]:
        by_filter.setdefault(sample["filter"], []).append(sample)
    return Theirs(metrics, by_filter)


def _ours(
    checkpoint: Path,
    path: Path,
    out: Path,
    *,
    batch_size: int = 3,
    limit: int | None = None,
    **o: Any,
) -> Ours:
    name = f"lm_eval:{path}"
    spec = RunSpec(
        tasks=(TaskRef(task=name, options=o),),
        model=ModelRef(name="hf-lm", args={"path": str(checkpoint), "device": "cpu"}),
        batch_size=batch_size,
        limit=limit,
        out=str(out),
    )
    execute(spec)
    with Ledger.open(out) as ledger:
        (result,) = ledger.results()
        entries = list(ledger.entries(name))
    return Ours({value.name: value.value for value in result.metrics}, entries)


def _compare(ours: Ours, theirs: Theirs) -> None:
    assert ours.metrics.keys() == theirs.metrics.keys()
    for name, value in theirs.metrics.items():
        assert ours.metrics[name] == pytest.approx(value, rel=1e-5), name
    first = next(iter(theirs.samples.values()))
    assert len(ours.entries) == len(first)
    for entry, sample in zip(ours.entries, first, strict=True):
        _compare_requests(entry, sample)
        _compare_responses(entry, sample)
    for name, samples in theirs.samples.items():
        for entry, sample in zip(ours.entries, samples, strict=True):
            if isinstance(sample["filtered_resps"][0], str):
                assert entry.outcome.details["filtered"][name] == sample["filtered_resps"]


def _compare_requests(entry: Any, sample: dict[str, Any]) -> None:
    data, arguments = entry.sample.data, sample["arguments"]
    assert int(entry.sample.id) == sample["doc_id"]
    if "text" in data:
        assert arguments == [(data["text"],)]
    elif "continuations" in data:
        contexts = data.get("contexts") or [data["context"]] * len(arguments)
        assert list(zip(contexts, data["continuations"], strict=True)) == arguments
    else:
        assert arguments[0][0] == data["context"] == entry.prompt


def _compare_responses(entry: Any, sample: dict[str, Any]) -> None:
    response, given = entry.response, [resps[0] for resps in sample["resps"]]
    if response.text is not None:
        assert [response.text] == given
        return
    values = [one[0] if isinstance(one, tuple) else one for one in given]
    assert list(response.loglikelihoods) == pytest.approx(values, rel=1e-7, abs=NATS)
    if isinstance(given[0], tuple):
        assert list(response.is_greedy) == [one[1] for one in given]


@pytest.mark.parametrize("kind", TASKS)
def test_every_kind_of_task_is_equal(
    hflm: Any, checkpoint: Path, write: Write, tmp_path: Path, kind: str
):
    path = write(kind)
    ours = _ours(checkpoint, path, tmp_path / "run")
    _compare(ours, _theirs(hflm, path))
    assert len(ours.entries) == len(ITEMS)


def test_something_is_generated_and_cut_at_stop_strings(
    checkpoint: Path, write: Write, tmp_path: Path
):
    ours = _ours(checkpoint, write("generate"), tmp_path / "run")
    texts = [entry.response.text for entry in ours.entries]
    assert len(set(texts)) > 3
    assert {entry.response.finish_reason.value for entry in ours.entries} == {"stop", "length"}
    assert not any("in" in text or "\n" in text for text in texts)


def test_right_answers_are_right_in_both(
    hflm: Any, checkpoint: Path, write: Write, data: Path, tmp_path: Path
):
    """Half of the targets are what the model says: an accuracy that is neither 0 nor 1."""
    zero_shot = {"num_fewshot": 0, "metric_list": [{"metric": "exact_match"}], "filter_list": None}
    first = _ours(checkpoint, write("generate", **zero_shot), tmp_path / "first")
    rows = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()]
    for row, entry in list(zip(rows, first.entries, strict=True))[::2]:
        row["answer"] = entry.response.text
    files = {"test": str(tiny.write_lines(tmp_path / "said.jsonl", rows))}
    known = {"data_files": files, "cache_dir": str(data / "cache")}
    path = write(
        "generate", **zero_shot, dataset_kwargs=known, training_split=None, fewshot_split=None,
        doc_to_target="{{answer}}",
    )  # fmt: skip
    ours = _ours(checkpoint, path, tmp_path / "second")
    _compare(ours, _theirs(hflm, path))
    assert ours.metrics == {"exact_match": 4 / 7}
    verdicts = [entry.outcome.verdict for entry in ours.entries]
    assert verdicts[::2] == [Verdict.OK] * 4
    assert verdicts[1::2] == [Verdict.WRONG] * 3


@pytest.mark.parametrize("kind", ["generate", "choose"])
def test_options_and_limits_are_equal(
    hflm: Any, checkpoint: Path, write: Write, tmp_path: Path, kind: str
):
    path = write(kind)
    ours = _ours(
        checkpoint, path, tmp_path / "run", limit=4, num_fewshot=3, fewshot_seed=99
    )  # fmt: skip
    _compare(ours, _theirs(hflm, path, limit=4, num_fewshot=3, fewshot_random_seed=99))


@pytest.mark.parametrize("kind", ["generate", "choose", "rolling"])
def test_long_prompts_are_cut_alike(
    hflm: Any, checkpoint: Path, write: Write, tmp_path: Path, kind: str
):
    """Prompts of hundreds of tokens in a context of 64."""
    long = "{{text * 9}}"
    change = {"doc_to_target": long} if kind == "rolling" else {"doc_to_text": long}
    path = write(kind, **change)
    _compare(_ours(checkpoint, path, tmp_path / "run"), _theirs(hflm, path))


def test_chat_templates_are_equal(hflm: Any, checkpoint: Path, write: Write, tmp_path: Path):
    for kind in ("generate", "choose"):
        metric = "exact_match" if kind == "generate" else "acc"
        path = write(kind, description=None, metric_list=[{"metric": metric}])
        ours = _ours(checkpoint, path, tmp_path / kind, chat=True)
        theirs = _theirs(hflm, path, apply_chat_template=True, fewshot_as_multiturn=False)
        assert ours.metrics == pytest.approx(theirs.metrics, rel=1e-5)
        for entry, sample in zip(ours.entries, next(iter(theirs.samples.values())), strict=True):
            assert sample["arguments"][0][0] == f"<|user|>{entry.prompt}\n<|assistant|>"
            _compare_responses(entry, sample)


def test_batches_change_nothing(checkpoint: Path, write: Write, tmp_path: Path):
    for kind in ("generate", "choose"):
        path = write(kind)
        one, many = (
            _ours(checkpoint, path, tmp_path / f"{kind}{size}", batch_size=size) for size in (1, 7)
        )
        assert one.metrics == pytest.approx(many.metrics, rel=1e-5)
        for a, b in zip(one.entries, many.entries, strict=True):
            assert a.response.text == b.response.text
            assert (a.response.loglikelihoods or ()) == pytest.approx(
                b.response.loglikelihoods or (), abs=NATS
            )


def _published(kind: str) -> list[dict[str, Any]]:
    """Rows in the form of a published data set, made of this page's items."""
    rows: list[dict[str, Any]] = []
    for number, (question, answer, label, choices) in enumerate(ITEMS):
        letters = [chr(65 + place) for place in range(len(choices))]
        arc = {
            "question": question,
            "choices": {"text": choices, "label": letters},
            "answerKey": letters[label],
        }
        hellaswag = {
            "activity_label": "Fox",
            "ctx_a": f"{question}.",
            "ctx_b": "he [title] runs",
            "endings": choices,
            "label": str(label),
        }
        winogrande = {
            "sentence": f"The fox saw the sea since the _ was {answer}.",
            "option1": "fox",
            "option2": "sea",
            "answer": str(number % 2 + 1),
        }
        truth = {"choices": choices, "labels": [int(place == label) for place in range(3)]}
        page = f" = {question} = \n {answer} , {question} ( {answer} ) . \n" * (number + 1)
        rows.append(
            {
                "arc_easy": arc,
                "hellaswag": hellaswag,
                "winogrande": winogrande,
                "truthfulqa_mc2": {
                    "question": question,
                    "mc1_targets": truth,
                    "mc2_targets": truth,
                },
                "wikitext": {"page": page},
                "lambada_openai": {"text": f"{question} is {answer}"},
                "gsm8k": {"question": question, "answer": f"So {number}.\n#### {number}"},
            }[kind]
        )
    return rows


PUBLISHED = {
    "arc_easy": {"test_split": "test", "validation_split": "test", "num_fewshot": 1},
    "hellaswag": {"validation_split": "test"},
    "winogrande": {"validation_split": "test"},
    "truthfulqa_mc2": {"validation_split": "test"},
    "wikitext": {"test_split": "test", "validation_split": "test"},
    "lambada_openai": {"test_split": "test"},
    "gsm8k": {"test_split": "test", "fewshot_split": "test", "num_fewshot": 2},
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_tasks_are_equal_on_data_of_their_form(
    hflm: Any, checkpoint: Path, tmp_path: Path, kind: str
):
    """The package's own files, functions and filters; only the data are ours."""
    from tasks.lm_eval.finding import find

    rows = tiny.write_lines(tmp_path / "rows.jsonl", _published(kind))
    config = {
        "include": str(find(kind)),
        "task": f"my_{kind}",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(rows)}, "cache_dir": str(tmp_path / "c")},
        "training_split": None,
        **PUBLISHED[kind],
    }
    if kind == "gsm8k":  # its 256 new tokens don't fit into the tiny model's context
        config["generation_kwargs"] = {"until": ["Question:", "</s>"], "max_gen_toks": 20}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(config))
    _compare(_ours(checkpoint, path, tmp_path / "run"), _theirs(hflm, path))
