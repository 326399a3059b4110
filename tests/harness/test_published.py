"""Published numbers: read with their sources, put beside ours, never mixed with them."""

from __future__ import annotations

import csv
import json
import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from harness.cli.main import main
from harness.errors import DataError, UnknownNameError
from harness.published import published_folder, read_published, reproduce, to_markdown
from harness.published.obstacles import Found, obstacles
from harness.published.planning import Cost, Rates, _each, costs, costs_text, read_rates
from harness.published.records import Verdict
from harness.records import (
    AnswerRequest,
    Capability,
    Response,
    Suite,
    SuiteEntry,
    TaskPlan,
    TaskResult,
    TaskStatus,
    Timing,
    Usage,
)
from harness.registry import models, suites, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.null import NullModel

COLUMNS = "model,task,metric,value,factor,unit,kind,source,note"
SUITE = Suite(
    name="toy",
    summary="Toy.",
    entries=(
        SuiteEntry(task="shapes-mmbench", options={"questions": 10}),
        SuiteEntry(task="shapes-ocr"),
    ),
)


def write(folder: Path, *rows: str, head: str = COLUMNS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "numbers.csv").write_text("\n".join((head, *rows)) + "\n")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    spec = RunSpec(
        tasks=(
            TaskRef(task="shapes-mmbench", options={"questions": 10}),
            TaskRef(task="probe-tokens"),
        ),
        model=ModelRef(name="null", args={"answer": "A"}, label="ours"),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    return tmp_path / "run"


def numbers(tmp_path: Path, *rows: str) -> Any:
    return read_published(write(tmp_path / "published", *rows))


def row(
    value: float | str, task: str = "shapes-mmbench", metric: str = "accuracy", **cells: Any
) -> str:
    plain = {"model": "Toy", "factor": 0.01, "unit": "percent", "kind": "paper", "source": "p. 1"}
    c = {**plain, **cells}
    return (
        f"{c['model']},{task},{metric},{value},{c['factor']},{c['unit']},{c['kind']},"
        f"{c['source']},{c.get('note', '')}"
    )


def test_what_comes_with_the_package_is_complete_and_names_its_sources():
    found = read_published(published_folder())
    assert len(found) == 45
    assert {number.model for number in found} >= {"Cheers", "Tar-1.5B", "Janus-Pro-1.5B"}
    assert all(number.source for number in found)
    assert not any(number.kind == "paper" for number in found), "none was read off the paper"
    paper = {entry.task for entry in suites().get("paper").entries}
    assert {n.task for n in found} - {"training"} <= paper
    (overall,) = [n for n in found if (n.model, n.metric) == ("Cheers", "overall")][:1]
    assert overall.ours == pytest.approx(0.78)


def test_units_become_ours():
    found = {(n.model, n.task): n for n in read_published(published_folder())}
    assert found["Cheers", "ocrbench"].ours == pytest.approx(584)
    assert found["Cheers", "mmbench"].ours == pytest.approx(0.704)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Toy,t,m,x,1,u,paper,s,"], "line 2: 'x' is no number"),
        (["Toy,t,m,nan,1,u,paper,s,"], "isn't finite"),
        (["Toy,t,m,1,1,u,hearsay,s,"], "kind is 'hearsay'"),
        (["Toy,t,m,1,1,u,paper,,"], "source is empty"),
    ],
)
def test_malformed_lines_are_named(lines: list[str], message: str, tmp_path: Path):
    with pytest.raises(DataError, match=message):
        read_published(write(tmp_path / "p", *lines))


def test_missing_columns_and_files_are_named(tmp_path: Path):
    with pytest.raises(DataError, match="lacks the columns factor"):
        read_published(write(tmp_path / "p", head=COLUMNS.replace("factor,", "")))
    with pytest.raises(DataError, match=r"holds no \.csv"):
        read_published(tmp_path)


def test_a_number_in_our_interval_is_reproduced(run: Path, tmp_path: Path):
    found = reproduce("toy", numbers(tmp_path, row(26)), [run], SUITE, "null")
    (line,) = found.lines
    assert line.verdict is Verdict.REPRODUCED
    assert line.difference == pytest.approx(0.25 - 0.26)
    assert line.run == "ours"
    assert line.reasons[0] == "null is a control"
    assert (found.missing, found.command) == ((), "")


def test_greedy_answers_may_flip_and_published_numbers_are_rounded(run: Path, tmp_path: Path):
    published = numbers(tmp_path, row("26.0"))
    (line,) = reproduce("toy", published, [run], SUITE, "null", flips=0.1).lines
    half = 1.96 * math.sqrt(0.1 / line.ours.n) + 0.0005
    assert line.difference_high - line.difference == pytest.approx(half)
    assert line.difference - line.difference_low == pytest.approx(half)
    assert "0.1 of the answers" in line.reasons[-1]
    (strict,) = reproduce("toy", published, [run], SUITE, "null", flips=0.0).lines
    assert strict.verdict is Verdict.DIFFERS
    assert strict.ours == line.ours, "the sampling interval stays its own"


def test_rounding_is_that_of_the_text(tmp_path: Path):
    found = numbers(tmp_path, row("70.40"), row("7e1"), row("26"), row("0.630", factor=1))
    assert [number.decimals for number in found] == [2, -1, 0, 3]
    assert [number.rounding for number in found] == pytest.approx([5e-5, 0.05, 0.005, 5e-4])


def test_pictures_of_the_same_prompts_differ_by_their_draws(tmp_path: Path):
    options = {"prompts": 4, "images": 2}
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-geneval", options=options),),
        model=ModelRef(name="null"),
        out=str(tmp_path / "drawn"),
    )
    execute(spec)
    suite = Suite(
        name="toy", summary="Toy.", entries=(SuiteEntry(task="shapes-geneval", options=options),)
    )
    published = numbers(tmp_path, row(10, task="shapes-geneval", metric="overall"))
    (line,) = reproduce("toy", published, [tmp_path / "drawn"], suite, "null").lines
    # The control draws the same empty picture every time, so rounding is all that is left.
    assert line.difference_high - line.difference == pytest.approx(0.005)
    assert "two draws of the same prompts" in line.reasons[-1]


def test_the_table_has_the_interval_of_the_difference(run: Path, tmp_path: Path):
    found = reproduce("toy", numbers(tmp_path, row(26)), [run], SUITE, "null")
    assert re.search(r"-1\.0 \[-\d+\.\d, \+\d+\.\d\]", to_markdown(found))


def test_a_run_of_another_model_says_so(run: Path, tmp_path: Path):
    (line,) = reproduce("toy", numbers(tmp_path, row(26)), [run], SUITE, "cheers:/ckpt").lines
    assert line.verdict is Verdict.NOT_COMPARABLE
    assert line.reasons[0] == "the run is of model null"


def test_a_number_outside_of_it_differs(run: Path, tmp_path: Path):
    published = numbers(tmp_path, row(90, kind="second-hand", note="by somebody else"))
    (line,) = reproduce("Toy", published, [run], SUITE, "null").lines
    assert line.verdict is Verdict.DIFFERS
    assert line.reasons[:-1] == (
        "the published number is second-hand",
        "null is a control",
        "by somebody else",
    )


@pytest.mark.parametrize("value", [26, 90])
def test_a_number_of_other_options_is_neither_reproduced_nor_different(
    value: int, run: Path, tmp_path: Path
):
    suite = Suite(
        name="toy",
        summary="Toy.",
        entries=(SuiteEntry(task="shapes-mmbench", options={"questions": 250}),),
    )
    (line,) = reproduce("Toy", numbers(tmp_path, row(value)), [run], suite, "null").lines
    assert line.verdict is Verdict.NOT_COMPARABLE
    assert line.reasons[:-1] == ("questions is 10, published with 250", "null is a control")


def test_an_option_that_the_publication_left_alone_is_named(run: Path, tmp_path: Path):
    suite = Suite(name="toy", summary="Toy.", entries=(SuiteEntry(task="shapes-mmbench"),))
    (line,) = reproduce("Toy", numbers(tmp_path, row(26)), [run], suite, "null").lines
    assert line.verdict is Verdict.NOT_COMPARABLE
    assert line.reasons[0] == "questions is 10, published with the default"


def test_what_is_not_run_comes_with_the_command_that_runs_it(run: Path, tmp_path: Path):
    published = numbers(tmp_path, row(50, task="shapes-ocr", metric="exact"), row(26))
    found = reproduce("toy", published, [run], SUITE, "cheers:/ckpt")
    assert [line.verdict for line in found.lines] == [Verdict.NOT_RUN, Verdict.NOT_COMPARABLE]
    assert found.command == (
        "cheers-bench run --task shapes-ocr --model cheers:/ckpt --out runs/toy"
    )
    text = to_markdown(found)
    assert "| shapes-ocr | exact | 50 (percent) | - | - | - | not run | - |" in text
    assert found.command in text


def test_what_has_no_number_of_ours_is_listed(run: Path, tmp_path: Path):
    published = numbers(
        tmp_path,
        row(1, model="Other"),
        row(26),
        row(2, task="nowhere"),
        row(3, metric="acuracy"),
        row(4, task="training", metric="samples"),
    )
    found = reproduce("toy", published, [run], SUITE, "null")
    assert [line.published.value for line in found.lines] == [26]
    reasons = [(one.published.value, one.reason.partition(" or ")[0]) for one in found.left_out]
    assert reasons == [
        (2, "the suite toy has no such task"),
        (3, "the task has no such metric; did you mean 'accuracy'"),
        (4, "what training cost; the command versus shows it"),
    ]
    text = to_markdown(found)
    assert "left out above:\n\n- nowhere accuracy: the suite toy" in text


def test_a_model_of_which_nothing_is_published_is_refused(run: Path, tmp_path: Path):
    with pytest.raises(UnknownNameError, match="here of a model 'toyy'") as caught:
        reproduce("toyy", numbers(tmp_path, row(26)), [run], SUITE, "null")
    assert caught.value.remedy == "did you mean 'Toy'?"
    with pytest.raises(UnknownNameError) as caught:
        reproduce("cheers", numbers(tmp_path, row(26)), [run], SUITE, "null")
    assert caught.value.remedy == "there are numbers of Toy"


def test_the_command_refuses_it_too(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["reproduce", "--model", "cheeers"])
    assert caught.value.code == 2
    assert "did you mean 'Cheers'?" in capsys.readouterr().err


def test_a_number_that_a_finished_run_lacks_is_not_asked_for_again(tmp_path: Path):
    """The first question is about no colour, so colours have no number."""
    entry = SuiteEntry(task="easy-vqa", options={"questions": 1})
    spec = RunSpec(
        tasks=(TaskRef(task=entry.task, options=entry.options),),
        model=ModelRef(name="null", label="ours"),
        out=str(tmp_path / "small"),
    )
    execute(spec)
    suite = Suite(name="toy", summary="Toy.", entries=(entry,))
    published = numbers(tmp_path, row(26, task="easy-vqa", metric="accuracy_color"))
    found = reproduce("toy", published, [tmp_path / "small"], suite, "null")
    (line,) = found.lines
    assert (line.verdict, line.ours, line.run) == (Verdict.ABSENT, None, "ours")
    assert (found.missing, found.command) == ((), "")
    assert "| not in the run | ours |" in to_markdown(found)


def variant(name: str, questions: int, task: str = "shapes-mmbench", published: str = "") -> Suite:
    entry = SuiteEntry(task=task, options={"questions": questions}, published_as=published)
    return Suite(name=name, summary="Toy.", entries=(entry,))


def test_a_run_of_any_published_variant_is_compared_and_named(run: Path, tmp_path: Path):
    official = variant("toy-250", 250)
    others = [variant("toy-10", 10), variant("toy-20", 20)]
    published = numbers(tmp_path, row(26))
    found = reproduce("toy", published, [run], official, "null", variants=others)
    (line,) = found.lines
    assert (line.verdict, line.variant) == (Verdict.REPRODUCED, "toy-10")
    assert "compared with toy-10; it may have been published by toy-250, toy-20 as well" in (
        line.reasons
    )
    assert found.variant_commands == (
        "cheers-bench run --suite toy-20 --model null --out runs/toy-20",
    )
    assert "ours (toy-10)" in to_markdown(found)


def test_a_variant_may_be_another_task(tmp_path: Path):
    spec = RunSpec(
        tasks=(TaskRef(task="easy-vqa", options={"questions": 10}),),
        model=ModelRef(name="null", args={"answer": "yes"}),
        out=str(tmp_path / "other"),
    )
    execute(spec)
    published = numbers(tmp_path, row(26))
    found = reproduce(
        "toy",
        published,
        [tmp_path / "other"],
        variant("toy", 10),
        "null",
        variants=[variant("toy-easy", 10, "easy-vqa", "shapes-mmbench")],
    )
    (line,) = found.lines
    assert line.variant == "toy-easy"
    assert line.verdict in (Verdict.REPRODUCED, Verdict.DIFFERS)


def test_a_run_of_no_variant_is_compared_with_the_closest(run: Path, tmp_path: Path):
    published = numbers(tmp_path, row(26))
    (line,) = reproduce(
        "toy", published, [run], variant("a", 250), "null", variants=[variant("b", 20)]
    ).lines
    assert line.verdict is Verdict.NOT_COMPARABLE
    assert line.reasons[0] == "questions is 10, published with 250"


GENEVALS = ("paper", "paper-readme", "paper-long", "paper-long-readme")


@pytest.mark.parametrize("name", GENEVALS)
def test_genevals_four_protocols_are_told_apart(name: str):
    entries = {
        suite: next(
            entry
            for entry in suites().get(suite).entries
            if "geneval" in (entry.task, entry.published_as)
        )
        for suite in GENEVALS
    }
    own = entries[name]
    task: Any = tasks().get(own.task)(own.options)
    plan = TaskPlan(
        task=own.task,
        metadata=task.metadata,
        protocol=task.protocol(0),
        options=own.options,
        limit=None,
    )
    result = TaskResult(
        task=own.task,
        status=TaskStatus.COMPLETE,
        metrics=(),
        verdicts={},
        protocol_hash=plan.protocol.hash,
        total=2212,
    )
    manifest: Any = SimpleNamespace(model=SimpleNamespace(name="cheers"))
    one = Found("ours", manifest, plan, result, {})
    fits = [
        suite
        for suite, entry in entries.items()
        if entry.task == own.task and not list(obstacles(one, entry.options, {"cheers"}))
    ]
    assert fits == [name]
    assert set(suites().get("paper").variants) == set(GENEVALS) - {"paper"}


def test_the_command_prints_what_missing_runs_need(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["reproduce", "--run-as", "cheers:/checkpoints/Cheers", "--format", "json"])
    assert not caught.value.code
    found = json.loads(capsys.readouterr().out)
    assert {line["verdict"] for line in found["lines"]} == {"not run"}
    assert "--task-option chartqa.scorer=legacy" in found["command"]
    assert "mmbench" in found["missing"]


def test_costs_come_from_the_plan_and_the_probe(tmp_path: Path):
    entries = (
        SuiteEntry(task="shapes-ocr", options={"words": 36}),
        SuiteEntry(task="shapes-geneval", options={"prompts": 3, "images": 2}),
        SuiteEntry(task="dpg-bench"),
    )
    seconds = {Capability.ANSWER: 10.0, Capability.GENERATE_IMAGE: 100.0}
    rates = Rates(seconds=seconds, device="toy")
    answers, drawings, problem = costs(entries, ModelRef(name="null"), rates)
    assert (answers.samples, answers.images_in, answers.hours) == (36, 36, pytest.approx(0.1))
    assert (drawings.samples, drawings.images_out) == (36, 36)
    assert drawings.hours == pytest.approx(1.0)
    assert "question file" in problem.problem
    text = costs_text([answers, drawings, problem], rates)
    assert "at least 1.1 hours on toy; 1 of 3 tasks unknown. Judges and detectors aren't" in text
    assert "- dpg-bench: dpg-bench needs its question file" in text
    assert "unknown without --latency" in costs_text([problem], Rates())


def test_answers_cost_up_to_all_their_tokens():
    (entry,) = (SuiteEntry(task="shapes-ocr", options={"words": 36}),)
    limit = tasks().get("shapes-ocr")(entry.options).decoding()["max_new_tokens"]
    seconds = {Capability.ANSWER: 1.0}
    rates = Rates(seconds=seconds, ttft=0.5, tpot=10.0, device="toy")
    (found,) = costs([entry], ModelRef(name="null"), rates)
    assert found.hours == pytest.approx(0.01)
    assert found.hours_at_most == pytest.approx(36 * (0.5 + 10 * limit) / 3600)
    text = costs_text([found], rates)
    assert f"0.0 hours on toy ({found.hours_at_most:.1f} if every answer takes all" in text
    assert f"| 0.01 to {found.hours_at_most:.2f} |" in text
    (quick,) = costs([entry], ModelRef(name="null"), Rates(seconds=seconds, tpot=1e-9))
    assert quick.hours_at_most == quick.hours, "a limit that is never reached takes nothing off"
    (plain,) = costs([entry], ModelRef(name="null"), Rates(seconds=seconds))
    assert plain.hours_at_most is None


def test_pictures_have_no_limit_of_tokens():
    entry = SuiteEntry(task="shapes-geneval", options={"prompts": 1, "images": 1})
    rates = Rates(seconds={Capability.GENERATE_IMAGE: 1.0}, ttft=0.5, tpot=10.0)
    (found,) = costs([entry], ModelRef(name="null"), rates)
    assert found.hours is not None
    assert found.hours_at_most is None


def test_what_a_model_cannot_do_costs_nothing():
    found = [
        Cost(task="done", samples=3600, hours=1.0),
        Cost(task="not", applicable=False, problem="the model has no capability edit_image"),
    ]
    text = costs_text(found, Rates(device="toy"))
    assert "another: 1.0 hours on toy. Judges" in text
    assert "| not | - | - | - | - | - |" in text


def test_rates_are_read_off_a_run(tmp_path: Path):
    options = {"rounds": 2, "batch_rounds": 1, "batch_sizes": [1], "warmup": 0}
    spec = RunSpec(
        tasks=(TaskRef(task="probe-latency", options=options),),
        model=ModelRef(name="null"),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    rates = read_rates(tmp_path / "run")
    assert set(rates.seconds) >= {Capability.ANSWER, Capability.GENERATE_IMAGE}
    assert all(seconds > 0 for seconds in rates.seconds.values())
    assert read_rates(None) == Rates()


class Talker(NullModel):
    """Writes three tokens, the first of them at once."""

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """The control's answers, with the tokens and times of a slow model."""
        time.sleep(0.02)
        usage, timing = Usage(completion_tokens=3), Timing(ttft_s=0.001)
        return [
            msgspec.structs.replace(response, usage=usage, timing=timing)
            for response in super().answer(requests)
        ]


def test_ttft_and_tpot_are_read_off_a_run_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(models()._added, "talker", Talker)
    options = {"rounds": 3, "batch_rounds": 1, "batch_sizes": [1], "warmup": 0}
    spec = RunSpec(
        tasks=(TaskRef(task="probe-latency", options=options),),
        model=ModelRef(name="talker"),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    rates = read_rates(tmp_path / "run")
    assert rates.ttft == 0.001
    assert rates.tpot == pytest.approx((rates.seconds[Capability.ANSWER] - 0.001) / 2)


def test_pictures_cost_what_their_steps_cost():
    """GenEval's script draws with 80 steps, whatever the probe timed."""
    entry = SuiteEntry(task="geneval", options={"preset": "cheers-script"})
    seconds = {Capability.GENERATE_IMAGE: 10.0}
    at_20, at_80, unknown = (
        _each(entry, Rates(seconds=seconds, steps=steps)) for steps in (20, 80, None)
    )
    assert (at_20, at_80, unknown) == (pytest.approx(40.0), pytest.approx(10.0), None)


def test_an_edit_costs_what_edits_cost():
    entry = SuiteEntry(task="shapes-edit", options={})
    seconds = {Capability.EDIT_IMAGE: 3.0, Capability.GENERATE_IMAGE: 10.0, Capability.ANSWER: 1.0}
    assert _each(entry, Rates(seconds=seconds)) == 3.0
    assert _each(entry, Rates(seconds={Capability.ANSWER: 1.0})) is None


def test_the_table_is_plain_csv():
    path = published_folder() / "cheers-paper.csv"
    with path.open(newline="") as file:
        assert len({len(line) for line in csv.reader(file)}) == 1


def test_another_length_of_answers_is_no_reproduction(tmp_path: Path):
    from tests.understanding.synthetic import write_benchmark

    spec = RunSpec(
        tasks=(
            TaskRef(
                task="mmstar",
                options={"file": str(write_benchmark("mmstar", tmp_path)), "max_new_tokens": 5},
            ),
        ),
        model=ModelRef(name="null", args={"answer": "A"}),
        out=str(tmp_path / "short"),
    )
    execute(spec)
    suite = Suite(name="toy", summary="Toy.", entries=(SuiteEntry(task="mmstar"),))
    published = numbers(tmp_path, row(25, task="mmstar"))
    (line,) = reproduce("toy", published, [tmp_path / "short"], suite, "null").lines
    assert line.verdict is Verdict.NOT_COMPARABLE
    assert "max_new_tokens is 5, published with 1024" in line.reasons
