"""What a file could run is refused until the user allows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BenchError, SpecError
from harness.registry import tasks
from tasks.lm_eval.metrics import KNOWN
from tests.language.conftest import ABSENT, Write

pytest.importorskip("lm_eval", reason=ABSENT)


def _build(path: Path | str, **options: bool):
    return tasks().get(f"lm_eval:{path}")(options)


def _with_function(write: Write, key: str, reference: str) -> Path:
    path = write("generate", **{key: None})
    path.write_text(path.read_text() + f"{key}: !function {reference}\n")
    return path


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A module beside the task that leaves a trace when it's imported."""
    trace = tmp_path / "ran"
    (tmp_path / "helper.py").write_text(
        f"open({str(trace)!r}, 'w').close()\ndef text(doc):\n    return 'Q ' + doc['question']\n"
    )
    return trace


def test_functions_of_a_users_file_need_permission(write: Write, helper: Path):
    path = _with_function(write, "doc_to_text", "helper.text")
    with pytest.raises(SpecError, match=r"helper\.text named in") as caught:
        _build(path)
    assert f"lm_eval:{path}.allow_code=true" in caught.value.remedy
    assert not helper.exists()
    samples = list(_build(path, allow_code=True).samples())
    assert samples[0].data["context"].endswith("Q two plus two")
    assert helper.exists()


def test_functions_that_an_included_file_names_count_too(
    write: Write, helper: Path, tmp_path: Path
):
    _with_function(write, "doc_to_text", "helper.text")
    top = tmp_path / "top.yaml"
    top.write_text("include: generate.yaml\ntask: top\n")
    with pytest.raises(SpecError, match=r"helper\.text"):
        _build(top)
    assert not helper.exists()


def test_functions_of_the_package_need_none():
    _build("wikitext")


def test_permission_does_not_change_the_protocol(write: Write):
    path = write("generate")
    plain, allowed = _build(path), _build(path, allow_code=True)
    assert plain.protocol(0).hash == allowed.protocol(0).hash


@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_running_what_the_model_writes_needs_permission(name: str):
    with pytest.raises(SpecError, match="runs code that the model writes") as caught:
        _build(name, allow_code=True)
    assert f"lm_eval:{name}.unsafe_code=true" in caught.value.remedy
    _build(name, unsafe_code=True, allow_code=True)


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ({"metric": "./evil"}, "metric ./evil"),
        ({"metric": "rouge"}, "metric rouge"),
        ({"metric": "exact_match", "hf_evaluate": True}, "metric exact_match"),
    ],
)
def test_metrics_that_are_downloaded_as_code_need_permission(
    write: Write, metric: dict[str, object], what: str
):
    path = write("generate", metric_list=[metric])
    with pytest.raises(SpecError, match=what):
        _build(path)


def test_prompts_from_elsewhere_need_permission(write: Write):
    with pytest.raises(SpecError, match="use_prompt"):
        _build(write("generate", use_prompt="promptsource:*"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ question.__class__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ question|attr('__class__') }}",
    ],
)
def test_templates_reach_no_python_object(write: Write, template: str):
    with pytest.raises(BenchError, match=r"unsafe|SecurityError|undefined"):
        list(_build(write("generate", doc_to_text=template)).samples())


def test_ordinary_templates_work_in_the_sandbox(write: Write):
    template = "{{ question|upper }} {{ choices|join(', ') }} {{ answer.strip() }}"
    (first, *_) = _build(write("generate", doc_to_text=template)).samples()
    assert first.data["context"].endswith("TWO PLUS TWO four, five, twenty two four")


def test_the_table_of_metrics_is_lm_evals_registry():
    import lm_eval.api.metrics  # noqa: F401 -- registers them
    from lm_eval.api import registry

    assert set(KNOWN) == set(registry.METRIC_REGISTRY.keys())
    for name, known in KNOWN.items():
        assert registry.is_higher_better(name) is known.higher, name
        theirs = registry.get_metric_aggregation(name)
        assert theirs is registry.get_aggregation(known.aggregation), name


def test_the_default_metrics_are_lm_evals():
    from lm_eval.api.registry import DEFAULT_METRIC_REGISTRY

    from tasks.lm_eval.metrics import DEFAULT_METRICS

    assert {k: list(v) for k, v in DEFAULT_METRICS.items()} == DEFAULT_METRIC_REGISTRY
