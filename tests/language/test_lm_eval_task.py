"""The bridge's own rules: verdicts, protocol, data that change, options, scoring again."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.cli.main import cli
from harness.errors import BenchError, DataError, ProtocolMismatchError, SpecError
from harness.ledger import Ledger, read_manifest
from harness.records import (
    AnswerRequest,
    Capability,
    LogLikelihoodRequest,
    Response,
    Sample,
    TaskStatus,
    Verdict,
)
from harness.registry import models, tasks
from harness.run import execute, plan, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.task import Task
from model_adapters.null import NullModel
from tasks.lm_eval.asking import decoding_of
from tests.language.conftest import ABSENT, ITEMS, Write

pytest.importorskip("lm_eval", reason=ABSENT)

WORD = [
    {"name": "word", "filter": [{"function": "regex", "regex_pattern": "([a-z]{3,})"},
                                {"function": "take_first"}]}
]  # fmt: skip


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", "lm_eval")


def _task(path: Path, **options: Any) -> Task:
    return tasks().get(f"lm_eval:{path}")(options)


def _spec(path: Path, out: Path, model: str = "null", **args: Any) -> RunSpec:
    ref = ModelRef(name=model, args=args)
    return RunSpec(tasks=(TaskRef(task=f"lm_eval:{path}"),), model=ref, out=str(out))


def _score(task: Task, number: int = 0, **response: Any) -> Any:
    sample = list(task.samples())[number]
    return task.score(sample, Response(**response))


# --- samples and requests ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generate", "choose", "inputs", "next", "rolling"])
def test_a_document_is_a_sample_with_one_request(write: Write, kind: str):
    task = _task(write(kind))
    samples = list(task.samples())
    assert [sample.id for sample in samples] == [str(n) for n in range(len(ITEMS))]
    assert list(task.samples()) == samples  # the few-shot sampler starts anew
    for sample in samples:
        request = task.request(sample, 77)
        assert request.seed == 77
        assert request.raw
        assert request.capability in task.metadata.requires


def test_fewer_samples_are_the_first_ones(write: Write):
    path = write("generate")
    samples = _task(path).samples()
    assert [next(samples) for _ in range(3)] == list(_task(path).samples())[:3]


def test_choices_share_one_context_where_they_can(write: Write):
    task = _task(write("choose", metric_list=[{"metric": "acc"}]))
    request = task.request(next(task.samples()), 0)
    assert isinstance(request, LogLikelihoodRequest)
    assert request.contexts is None
    assert request.continuations == (" four", " five", " twenty two")
    with_unconditional = _task(write("choose"))
    request = with_unconditional.request(next(with_unconditional.samples()), 0)
    assert request.contexts[3:] == ("",) * 3


def test_generators_of_the_process_are_left_alone(write: Write):
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    list(_task(write("generate")).samples())
    assert before == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002


@pytest.mark.parametrize(
    ("kwargs", "changes"),
    [
        ({}, {"max_new_tokens": 256}),
        ({"max_gen_toks": 5, "max_tokens": 9}, {"max_new_tokens": 5}),
        ({"until": "a"}, {"stop": ("a",)}),
        ({"do_sample": False, "temperature": 0.7}, {"temperature": 0.0}),
        ({"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.9}),
        ({"do_sample": True}, {"temperature": 1.0}),
        ({"num_beams": 4}, {"num_beams": 4}),
    ],
)
def test_generation_arguments_keep_their_meaning(kwargs: dict[str, Any], changes: dict[str, Any]):
    decoding = decoding_of("t", kwargs)
    for name, value in changes.items():
        assert getattr(decoding, name) == value


def test_a_generation_argument_that_cannot_be_obeyed_is_refused(write: Write):
    path = write("generate", generation_kwargs={"until": ["x"], "repetition_penalty": 1.2})
    with pytest.raises(SpecError, match="repetition_penalty"):
        _task(path).protocol(0)


# --- verdicts ------------------------------------------------------------------------------------


def test_ok_wrong_and_unparsed(write: Write):
    path = write("generate", filter_list=WORD, metric_list=[{"metric": "exact_match"}],
                 doc_to_target="{{answer}}")  # fmt: skip
    task = _task(path)
    right, wrong, nothing = (_score(task, text=text) for text in ("12 four!", "five", "12 !?"))
    assert (right.verdict, right.scores) == (Verdict.OK, {"exact_match,word": 1.0})
    assert (wrong.verdict, wrong.scores) == (Verdict.WRONG, {"exact_match,word": 0.0})
    assert (nothing.verdict, nothing.scores) == (Verdict.UNPARSED, {"exact_match,word": 0.0})
    assert right.details["filtered"] == {"word": ["four"]}
    assert nothing.details["filtered"] == {"word": ["[invalid]"]}
    assert "filter 'word' found no answer" in nothing.reason


def test_only_the_first_filter_decides_what_is_unparsed(write: Write):
    plain = {"name": "plain", "filter": [{"function": "take_first"}]}
    change = {"metric_list": [{"metric": "exact_match"}], "doc_to_target": "{{answer}}"}
    first = _score(_task(write("generate", filter_list=[plain, *WORD], **change)), text="12 !?")
    assert first.verdict is Verdict.WRONG
    last = _score(_task(write("generate", filter_list=[*WORD, plain], **change)), text="12 !?")
    assert last.verdict is Verdict.UNPARSED


@pytest.mark.parametrize("rewrite", ["lowercase", "uppercase", "remove_whitespace"])
def test_later_filters_do_not_hide_that_nothing_was_found(write: Write, rewrite: str):
    steps = [WORD[0]["filter"][0], {"function": rewrite}, {"function": "take_first"}]
    path = write("generate", filter_list=[{"name": "w", "filter": steps}])
    assert _score(_task(path), text="12").verdict is Verdict.UNPARSED


def test_choices_are_right_or_wrong_by_the_first_metric(write: Write):
    task = _task(write("choose", metric_list=[{"metric": "acc"}, {"metric": "acc_norm"}]))
    greedy = (False,) * 3
    right = _score(task, loglikelihoods=(-1.0, -2.0, -3.0), is_greedy=greedy)
    assert (right.verdict, right.scores["acc"]) == (Verdict.OK, 1.0)
    wrong = _score(task, loglikelihoods=(-2.0, -1.0, -9.0), is_greedy=greedy)
    assert (wrong.verdict, wrong.reason) == (Verdict.WRONG, "acc is 0")
    longest = _score(task, loglikelihoods=(-4.0, -5.0, -5.5), is_greedy=greedy)
    assert longest.scores == {"acc": 1.0, "acc_norm": 0.0}


def test_metrics_without_right_and_wrong_are_scored_only(write: Write):
    outcome = _score(_task(write("rolling")), loglikelihoods=(-50.0,), is_greedy=(False,))
    assert outcome.verdict is Verdict.OK
    text = f"{ITEMS[0][0]}. {ITEMS[0][1]} " * 2
    words, letters = len(text.split()) + 1, len(text)  # lm-eval counts the empty end as a word
    assert outcome.scores == {
        "word_perplexity.information": 50.0,
        "word_perplexity.units": words,
        "byte_perplexity.information": 50.0,
        "byte_perplexity.units": letters,
        "bits_per_byte.information": pytest.approx(50 / math.log(2)),
        "bits_per_byte.units": letters,
    }


def test_items_of_metrics_that_need_all_documents_are_kept(write: Write):
    outcome = _score(_task(write("generate")), text="a word\nand more")
    assert outcome.details["items"] == {
        "chrf,whole": [" four", "a word\nand more"],
        "chrf,word": [" four", "word"],
    }


def test_the_right_token_decides_a_next_word(write: Write):
    task = _task(write("next"))
    said = _score(task, loglikelihoods=(-1.0,), is_greedy=(True,))
    assert (said.verdict, said.scores["acc"]) == (Verdict.OK, 1.0)
    assert said.scores["perplexity.information"] == said.scores["perplexity.units"] == 1.0
    (wrong,) = [_score(task, loglikelihoods=(-1.0,), is_greedy=(False,))]
    assert wrong.verdict is Verdict.WRONG  # a loss of 1 nat isn't a right answer


def test_likelihoods_without_greediness_are_not_guessed(write: Write):
    with pytest.raises(DataError, match="which continuations are greedy"):
        _score(_task(write("next")), loglikelihoods=(-1.0,))


def test_a_score_that_is_no_number_is_left_out():
    from lm_eval.api.metrics import nanmean

    from tasks.lm_eval.judging import judge

    task = SimpleNamespace(
        OUTPUT_TYPE="generate_until",
        _filters=[],
        aggregation=lambda: {"a": nanmean, "b": nanmean},
        process_results=lambda doc, answers: {"a": np.float64("nan"), "b": np.float32(0.5)},
    )
    from lm_eval.filters import build_filter_ensemble

    task._filters = [build_filter_ensemble("none", [["take_first", None]])]
    outcome = judge(task, {}, Response(text="x"), ())
    assert outcome.scores == {"b": 0.5}
    assert outcome.verdict is Verdict.OK


# --- protocol ------------------------------------------------------------------------------------


def test_the_protocol_says_what_a_number_depends_on(write: Write, data: Path):
    from importlib.metadata import version

    protocol = _task(write("generate")).protocol(3, 5)
    assert protocol.id == "lm_eval/tiny_generate/v1.5"
    assert protocol.scorer.id == "lm-eval"
    assert protocol.scorer.version == version("lm_eval")
    assert protocol.scorer.settings["task_version"] == "1.5"
    assert protocol.scorer.settings["filters"] == ["word", "whole"]
    assert protocol.options == {"num_fewshot": 2, "fewshot_seed": 1234}
    assert protocol.decoding["stop"] == ("\n", "in")
    assert protocol.dataset.name == "json"
    assert protocol.dataset.split == "test"
    content = hashlib.sha256((data / "test.jsonl").read_bytes()).digest()
    assert protocol.dataset.sha256 == hashlib.sha256(content).hexdigest()
    assert protocol.dataset.revision == protocol.dataset.sha256[:12]
    assert "2-shot" in protocol.prompt_template
    json.dumps([protocol.decoding, protocol.scorer.settings])


def _hash(path: Path, **options: Any) -> str:
    return _task(path, **options).protocol(0).hash


@pytest.mark.parametrize(
    "change",
    [
        {"doc_to_text": "Q: {{question}}"},
        {"num_fewshot": 1},
        {"fewshot_delimiter": "\n"},
        {"metric_list": [{"metric": "exact_match"}]},
        {"filter_list": None},
        {"metadata": {"version": 2}},
        {"generation_kwargs": {"until": ["x"]}},
    ],
)
def test_every_change_of_the_file_changes_the_protocol(write: Write, change: dict[str, Any]):
    before = _hash(write("generate"))
    after = write("generate", **change)
    tasks()._made.clear()
    assert _hash(after) != before


def test_options_change_the_protocol(write: Write):
    path = write("generate")
    options: list[dict[str, Any]] = [{}, {"num_fewshot": 3}, {"fewshot_seed": 1}, {"chat": True}]
    assert len({_hash(path, **given) for given in options}) == 4
    assert _hash(path, num_fewshot=2) != ""


def test_remarks_in_the_file_change_nothing(write: Write):
    path = write("generate")
    before = _hash(path)
    path.write_text(f"# A remark.\n{path.read_text()}tag: [mine]\n")
    tasks()._made.clear()
    assert _hash(path) == before


# --- whole runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["generate", "choose", "inputs", "next", "rolling"])
def test_the_null_model_runs_everything(write: Write, tmp_path: Path, kind: str):
    path, out = write(kind), tmp_path / "run"
    execute(_spec(path, out, answer="no"))
    with Ledger.open(out) as ledger:
        (result,) = ledger.results()
    assert result.status is TaskStatus.COMPLETE
    assert result.total == len(ITEMS)
    assert all(value.value is not None for value in result.metrics)
    manifest = read_manifest(out)
    assert manifest.tasks[0].protocol.hash == result.protocol_hash


class Templated(NullModel):
    """A model that can't leave its chat template."""

    card = NullModel.card.__class__(
        name="templated",
        summary="",
        capabilities=frozenset({Capability.ANSWER, Capability.LOGLIKELIHOOD}),
        licence="",
        source="",
    )
    asked: list[AnswerRequest] = []  # noqa: RUF012

    def answer(self, requests: Any) -> list[Response]:
        self.asked += requests
        return super().answer(requests)


@pytest.fixture
def templated() -> Any:
    models().add("templated", Templated)
    Templated.asked.clear()
    yield
    del models()._added["templated"]


@pytest.mark.usefixtures("templated")
def test_a_model_with_nothing_but_a_template_is_not_asked_for_raw_text(
    write: Write, tmp_path: Path
):
    path = write("generate")
    execute(_spec(path, tmp_path / "run", model="templated"))
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    assert result.status is TaskStatus.NOT_APPLICABLE
    assert "needs raw_text" in result.notes[0]
    assert Templated.asked == []


@pytest.mark.usefixtures("templated")
def test_with_chat_it_is_asked_through_its_template(write: Write, tmp_path: Path):
    name = f"lm_eval:{write('generate')}"
    spec = RunSpec(
        tasks=(TaskRef(task=name, options={"chat": True}),),
        model=ModelRef(name="templated"),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    assert len(Templated.asked) == len(ITEMS)
    assert not any(request.raw for request in Templated.asked)


def test_a_dry_run_asks_nothing(write: Write, tmp_path: Path):
    work = plan(_spec(write("choose"), tmp_path / "run")).tasks[0]
    assert (work.samples, work.requests) == (len(ITEMS), len(ITEMS))
    assert not (tmp_path / "run").exists()


def test_filters_and_metrics_can_be_changed_and_scored_again(write: Write, tmp_path: Path):
    path, out = write("generate"), tmp_path / "run"
    execute(_spec(path, out, answer="no"))
    write("generate", filter_list=WORD, metric_list=[{"metric": "exact_match"}])
    tasks()._made.clear()
    (result,) = rescore(out)
    assert [value.name for value in result.metrics] == ["exact_match,word"]
    assert result.verdicts == {"unparsed": len(ITEMS)}


def test_changed_prompts_cannot_be_scored_with_old_responses(write: Write, tmp_path: Path):
    path, out = write("generate"), tmp_path / "run"
    execute(_spec(path, out))
    write("generate", doc_to_text="Q: {{question}}")
    tasks()._made.clear()
    with pytest.raises(ProtocolMismatchError, match="ask other things"):
        rescore(out)


def test_changed_data_are_noticed(write: Write, data: Path, tmp_path: Path):
    """Changed behind the run's back, in a way that the protocol can't see."""
    task = _task(write("generate"))
    (first, *_) = task.samples()
    moved = Sample(id="3", data=first.data)
    with pytest.raises(DataError, match="document 3 isn't the one"):
        task.score(moved, Response(text="x"))
    gone = Sample(id="99", data=first.data)
    with pytest.raises(DataError, match="document 99 isn't the one"):
        task.score(gone, Response(text="x"))


def test_an_interrupted_run_ends_like_any_other(write: Write, tmp_path: Path):
    path = write("generate")

    class Weak(NullModel):
        calls = 0

        def answer(self, requests: Any) -> list[Response]:
            type(self).calls += 1
            if type(self).calls == 2:
                raise KeyboardInterrupt
            return super().answer(requests)

    models().add("weak", Weak)
    try:
        spec = _spec(path, tmp_path / "run", model="weak", answer="no")
        spec = RunSpec(tasks=spec.tasks, model=spec.model, out=spec.out, batch_size=2)
        with pytest.raises(BenchError, match=r"interrupt|stopped"):
            execute(spec)
        execute(spec)
    finally:
        del models()._added["weak"]
    execute(_spec(path, tmp_path / "plain", answer="no"))
    rows = []
    for out in ("run", "plain"):
        with Ledger.open(tmp_path / out) as ledger:
            rows.append(
                [(e.sample, e.prompt, e.outcome) for e in ledger.entries(f"lm_eval:{path}")]
            )
    assert rows[0] == rows[1]


# --- options and data ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change", "options", "message"),
    [
        ("generate", {"num_fewshot": 0}, {"num_fewshot": 3}, "fixes num_fewshot at 0"),
        ("generate", {}, {"num_fewshot": -1}, "num_fewshot"),
        ("generate", {}, {"shots": 1}, "unknown option 'shots'"),
        ("generate", {"repeats": 8}, {}, "8 times"),
        ("generate", {}, {"repeats": 4}, "give 1"),
        ("rolling", {}, {"chat": True}, "scores whole texts"),
    ],
)
def test_options_that_cannot_be_are_refused(
    write: Write, kind: str, change: dict[str, Any], options: dict[str, Any], message: str
):
    with pytest.raises(SpecError, match=message) as caught:
        _task(write(kind, **change), **options).protocol(0)
    assert caught.value.remedy or "shots" in message


def test_repeats_can_be_declined(write: Write):
    assert len(list(_task(write("generate", repeats=8), repeats=1).samples())) == len(ITEMS)


def test_chat_refuses_what_a_message_cannot_hold(write: Write):
    task = _task(write("choose"), chat=True)
    with pytest.raises(DataError, match="a context of its own"):
        task.request(next(task.samples()), 0)
    with pytest.raises(DataError, match="gen_prefix"):
        next(_task(write("generate", gen_prefix="It is"), chat=True).samples())


def test_missing_data_are_named(write: Write, tmp_path: Path):
    gone = {"data_files": {"test": str(tmp_path / "gone.jsonl")}}
    path = write("generate", dataset_kwargs=gone, training_split=None, fewshot_split=None)
    with pytest.raises(DataError, match="the data can't be loaded") as caught:
        _task(path).protocol(0)
    assert "dataset_kwargs" in caught.value.remedy


def test_a_broken_configuration_is_lm_evals_complaint_with_the_files_name(write: Write):
    path = write("generate", doc_to_text="{{no_such_field}}")
    with pytest.raises(SpecError, match="lm-eval can't build it") as caught:
        _task(path).protocol(0)
    assert str(path) in caught.value.remedy


def test_the_command_line_runs_a_local_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path
):
    from click.testing import CliRunner

    write("choose", metric_list=[{"metric": "acc"}])
    monkeypatch.chdir(tmp_path)
    name = "lm_eval:./choose.yaml"
    arguments = ["run", "--task", name, "--task-option", f"{name}.num_fewshot=2"]
    arguments += ["--model", f"hf-lm:{checkpoint}", "--model-arg", "device=cpu", "--out", "out"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert name in done.output
    table = CliRunner().invoke(cli, ["leaderboard", "out"], catch_exceptions=False).output
    assert name in table.replace("\\", "")
    assert read_manifest(tmp_path / "out").tasks[0].protocol.options["num_fewshot"] == 2
