"""Finding and describing tasks by name or file, without lm-eval's index and without lm-eval."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import AdapterError, SpecError, UnknownNameError
from harness.records import Capability, Direction
from harness.registry import tasks
from tasks.lm_eval import finding
from tasks.lm_eval.finding import find, package_tasks
from tasks.lm_eval.source import Code, codes, read
from tests.language.conftest import ABSENT, TASKS, Write

pytest.importorskip("lm_eval", reason=ABSENT)

HEAVY = ("lm_eval", "datasets", "torch", "pandas", "numpy", "jinja2", "transformers")


def _heavy_after(code: str) -> str:
    code = f"import sys\n{code}\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_listing_tasks_imports_no_lm_eval():
    code = "from click.testing import CliRunner; from harness.cli.main import cli\n"
    code += "assert 'lm_eval:...' in CliRunner().invoke(cli, ['list']).output"
    assert _heavy_after(code) == "[]"


def test_describing_a_task_imports_no_lm_eval(write: Write):
    path = write("generate")
    code = f"from harness.registry import tasks; tasks().get('lm_eval:{path}').metadata\n"
    code += "tasks().get('lm_eval:arc_easy')({'num_fewshot': 2})"
    assert _heavy_after(code) == "[]"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("arc_easy", "arc/arc_easy.yaml"),
        ("gsm8k", "gsm8k/gsm8k.yaml"),
        ("mmlu_anatomy", "mmlu/default/mmlu_anatomy.yaml"),
        ("winogrande", "winogrande/default.yaml"),
        ("mmlu", "mmlu/default/_mmlu.yaml"),
    ],
)
def test_names_lead_to_the_packages_files(name: str, file: str):
    assert find(name).relative_to(package_tasks()).as_posix() == file


def test_names_are_those_of_lm_evals_own_index():
    """Over the folders of some families; the whole package was compared once, by hand."""
    from lm_eval.tasks._index import Kind, TaskIndex

    for folder in ("arc", "glue", "gsm8k", "lambada", "wikitext", "truthfulqa"):
        root = package_tasks() / folder
        entries = TaskIndex.build([root]).values()
        theirs = {e.name: e.yaml_path for e in entries if e.kind is not Kind.TAG}
        assert finding.known_names(root) == theirs


@pytest.mark.parametrize(
    ("rest", "hint"),
    [("arc_esy", "'arc_easy'"), ("hellaswagg", "'hellaswag'"), ("qqqqqqqqq", "lm_eval ls tasks")],
)
def test_wrong_names_get_hints(rest: str, hint: str):
    with pytest.raises(UnknownNameError, match=f"no task '{rest}'") as caught:
        tasks().get(f"lm_eval:{rest}")
    assert hint in caught.value.remedy


def test_a_missing_file_is_named():
    with pytest.raises(SpecError, match=r"there is no file gone\.yaml"):
        tasks().get("lm_eval:./gone.yaml")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(finding, "find_spec", lambda name: None)
    with pytest.raises(AdapterError, match="isn't installed") as caught:
        tasks().get("lm_eval:boolq")
    assert "cheers-bench[lm-eval]" in caught.value.remedy


def test_a_name_has_its_whole_form_in_the_metadata(write: Write):
    name = f"lm_eval:{write('choose')}"
    data = tasks().get(name).metadata
    assert data.name == name
    assert data.protocol_id == "lm_eval/tiny_choose/v1.5"
    assert data.requires == {Capability.LOGLIKELIHOOD, Capability.RAW_TEXT}
    assert [spec.name for spec in data.metrics] == [
        *("acc", "acc_norm", "acc_mutual_info", "exact_match", "brier_score")
    ]
    brier = data.metrics[-1]
    assert (brier.direction, brier.low, brier.high) == (Direction.LOWER, 0.0, 2.0)


def test_metrics_are_named_by_filter(write: Write):
    data = tasks().get(f"lm_eval:{write('generate')}").metadata
    assert data.requires == {Capability.ANSWER, Capability.RAW_TEXT}
    assert [spec.name for spec in data.metrics] == [
        *("exact_match,word", "chrf,word", "exact_match,whole", "chrf,whole")
    ]


def test_published_tasks_are_described():
    data = tasks().get("lm_eval:gsm8k").metadata
    assert [m.name for m in data.metrics] == [
        "exact_match,strict-match",
        "exact_match,flexible-extract",
    ]
    assert data.dataset.name == "openai/gsm8k/main"
    assert tasks().get("lm_eval:wikitext").metadata.primary.name == "word_perplexity"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": ["a", {"task": "b"}], "group": "g"}, "group of 2 members"),
        ({"task": None}, "names no task"),
        ({"class": "X"}, "written in Python"),
        ({"doc_to_image": "image"}, "shows pictures"),
        ({"doc_to_audio": "sound"}, "plays sounds"),
        ({"output_type": "poetry"}, "output_type is 'poetry'"),
        ({"test_split": None}, "no split to score"),
        ({"metric_list": []}, "computes no metric"),
        ({"metric_list": [{"metric": "bypass"}]}, "computes no metric"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_reason(
    write: Write, change: dict[str, object], message: str
):
    path = write("generate")
    if "test_split" in change:
        path.write_text(path.read_text().replace("test_split: test\n", ""))
    else:
        path = write("generate", **change)
    with pytest.raises(SpecError, match=message):
        tasks().get(f"lm_eval:{path}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "isn't valid YAML"),
        ("- a", "no mapping"),
        ("include: x.yaml", "itself"),
        ("", "no"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SpecError, match=message) as caught:
        tasks().get(f"lm_eval:{tmp_path / 'x.yaml'}")
    assert str(tmp_path / "x.yaml") in caught.value.what


def test_includes_are_merged_as_lm_eval_merges_them(tmp_path: Path):
    from lm_eval.tasks._yaml_loader import load_yaml

    (tmp_path / "base.yaml").write_text("a: 1\nb: [1]\ntask_list: [x]\nc: {d: 1}\n")
    (tmp_path / "more.yaml").write_text("a: 2\nf: !function utils.f\n")
    (tmp_path / "top.yaml").write_text("include: [base.yaml, more.yaml]\nb: [2]\ntask: t\n")
    ours = read(tmp_path / "top.yaml", "top").config
    theirs = load_yaml(tmp_path / "top.yaml", resolve_func=False)
    assert {**ours, "f": theirs["f"]} == theirs
    assert ours["f"] == Code("utils.f", tmp_path / "more.yaml")
    assert [code.name for code in codes(ours)] == ["f"]


def test_files_outside_the_package_are_told_apart(write: Write, tmp_path: Path):
    path = write("generate")
    assert read(path, "x").foreign == {path}
    assert read(find("arc_easy"), "arc_easy").foreign == frozenset()
    mixed = tmp_path / "mixed.yaml"
    mixed.write_text(f"include: {find('wikitext')}\ntask: mine\n")
    source = read(mixed, "mixed")
    assert source.foreign == {mixed}
    assert {code.file for code in codes(source.config)} == {find("wikitext")}


def test_every_kind_can_be_described(write: Write):
    for kind in TASKS:
        assert tasks().get(f"lm_eval:{write(kind)}").metadata.metrics
