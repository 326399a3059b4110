"""Run files: complete, strict, and overridden by flags."""

from pathlib import Path

import pytest

from harness.cli.flags import read_flags
from harness.errors import SpecError
from harness.records import SuiteEntry
from harness.runfile import RunFile, make_spec, read_run_file
from harness.runspec import ModelRef, RunSpec, TaskRef, resolve

FULL = """
suite: smoke
tasks:
  - shapes-ocr
  - task: shapes-geneval
    limit: 8
    options: {prompts: 2}
model:
  name: null-model
  args: {answer: B, with_seed: true}
  label: says B
limit: 20
seed: 3
batch_size: 4
out: runs/x
retry_errors: true
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


def test_everything_a_run_needs_fits_into_a_file(tmp_path: Path):
    spec = make_spec(read_run_file(_file(tmp_path, FULL)), {})
    assert spec == RunSpec(
        suite="smoke",
        tasks=(
            TaskRef(task="shapes-ocr"),
            TaskRef(task="shapes-geneval", limit=8, options={"prompts": 2}),
        ),
        model=ModelRef(name="null-model", args={"answer": "B", "with_seed": True}, label="says B"),
        limit=20,
        seed=3,
        batch_size=4,
        out="runs/x",
        retry_errors=True,
    )


def test_run_file_and_spec_have_the_same_fields():
    assert set(RunFile.__struct_fields__) == set(RunSpec.__struct_fields__)


def test_flags_win_and_absent_flags_do_not(tmp_path: Path):
    file = read_run_file(_file(tmp_path, FULL))
    spec = make_spec(file, {"seed": 9, "limit": None, "tasks": (), "out": "elsewhere"})
    assert (spec.seed, spec.limit, spec.out, len(spec.tasks)) == (9, 20, "elsewhere", 2)


def test_a_model_may_be_one_line(tmp_path: Path):
    file = read_run_file(_file(tmp_path, "model: cheers:/ckpt\nout: x\n"))
    assert make_spec(file, {}).model == ModelRef(name="cheers", args={"path": "/ckpt"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle: null\n", "did you mean 'model'?"),
        ("zzz: 1\n", "a run file has: suite, tasks"),
        ("seed: many\n", "seed"),
        ("tasks: shapes-ocr\n", "tasks"),
        ("tasks: [{task: a, optoins: {}}]\n", "optoins"),
        ("model: [unclosed\n", "isn't valid YAML"),
        ("- a\n- b\n", "object"),
        ("\tx: 1\n", "isn't valid YAML"),
    ],
)
def test_mistakes_are_named_with_the_file(tmp_path: Path, text: str, said: str):
    path = _file(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        read_run_file(path)
    assert said in str(caught.value)
    assert str(path) in caught.value.what


def test_yaml_cannot_build_objects(tmp_path: Path):
    path = _file(tmp_path, "model: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(SpecError, match="isn't valid YAML"):
        read_run_file(path)


def test_bytes_that_are_no_text(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xff\xfe\x00model")
    with pytest.raises(SpecError):
        read_run_file(path)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(SpecError, match=r"none\.yaml"):
        read_run_file(tmp_path / "none.yaml")


@pytest.mark.parametrize("key", ["model", "out"])
def test_what_must_be_given(key: str):
    flags = {"model": ModelRef(name="null"), "out": "x"}
    with pytest.raises(SpecError, match=f"the run has no {key}"):
        make_spec(RunFile(), {**flags, key: None})


def test_the_smaller_limit_holds():
    spec = RunSpec(
        tasks=(TaskRef(task="a", limit=5), TaskRef(task="b", limit=50), TaskRef(task="c")),
        model=ModelRef(name="null"),
        limit=10,
        out="x",
    )
    assert [entry.limit for entry in resolve(spec)] == [5, 10, 10]


def _resolved(*tasks: TaskRef, limit: int | None = None) -> dict[str, SuiteEntry]:
    spec = RunSpec(suite="smoke", tasks=tasks, model=ModelRef(name="null"), out="x", limit=limit)
    entries = resolve(spec)
    assert len({entry.task for entry in entries}) == len(entries)
    return {entry.task: entry for entry in entries}


def test_options_of_a_suites_task_are_merged_in_its_place():
    plain = _resolved()
    named = _resolved(TaskRef(task="shapes-geneval", options={"images": 1}))
    assert list(named) == list(plain)
    assert named["shapes-geneval"].options == {**plain["shapes-geneval"].options, "images": 1}
    assert {k: v for k, v in named.items() if k != "shapes-geneval"} == {
        k: v for k, v in plain.items() if k != "shapes-geneval"
    }


def test_a_limit_of_a_suites_task_wins_over_the_suites():
    assert _resolved(TaskRef(task="shapes-ocr", limit=3))["shapes-ocr"].limit == 3
    assert _resolved(TaskRef(task="shapes-ocr", limit=3), limit=2)["shapes-ocr"].limit == 2


def test_a_task_named_twice_besides_the_suite_stays_twice():
    """It's refused when tasks are built; merging would hide the mistake."""
    ref = TaskRef(task="shapes-ocr")
    spec = RunSpec(suite="smoke", tasks=(ref, ref), model=ModelRef(name="null"), out="x")
    assert [entry.task for entry in resolve(spec)].count("shapes-ocr") == 2


def test_flags_give_options_to_a_suites_tasks():
    flags = {"tasks": (), "model": "null", "model_args": (), "label": None}
    found = read_flags(**flags, suite="smoke", task_options=["shapes-ocr.words=5"])
    assert found["suite"] == "smoke"
    assert found["tasks"] == (TaskRef(task="shapes-ocr", options={"words": 5}),)
    with pytest.raises(SpecError, match="no --task 'geneval'") as caught:
        read_flags(**flags, suite="smoke", task_options=["geneval.images=1"])
    assert "shapes-ocr" in caught.value.remedy
