"""Records: strict, frozen, documented field by field, and stable under a JSON round trip."""

import ast
import inspect
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import records
from harness.records import (
    DatasetInfo,
    Identity,
    Outcome,
    Protocol,
    Record,
    Sample,
    Verdict,
    canonical_json,
    digest,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
RECORDS = sorted(
    (value for value in vars(records).values() if inspect.isclass(value)), key=lambda c: c.__name__
)


def _protocol(**changes: object) -> Protocol:
    base = Protocol(
        id="p/v1",
        task="t",
        task_version=1,
        dataset=DatasetInfo(name="d", revision="1", split="test", licence="MIT"),
        prompt_template="{q}",
        scorer=Identity(id="s", version="1"),
    )
    return msgspec.structs.replace(base, **changes)


@given(id_=st.text(), k=st.integers(0, 10), target=JSON)
def test_a_sample_survives_json(id_: str, k: int, target: object):
    sample = Sample(id=id_, k=k, target=target)  # type: ignore[arg-type]
    assert msgspec.json.decode(canonical_json(sample), type=Sample) == sample


def test_unknown_fields_are_refused():
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.json.decode(b'{"id": "a", "colour": "red"}', type=Sample)


def test_a_wrong_type_is_refused():
    with pytest.raises(msgspec.ValidationError, match=r"\$\.k"):
        msgspec.json.decode(b'{"id": "a", "k": "0"}', type=Sample)


@pytest.mark.parametrize(
    "record", [r for r in RECORDS if issubclass(r, Record)], ids=lambda r: r.__name__
)
def test_records_are_frozen(record: type[Record]):
    assert record.__struct_config__.frozen or not record.__struct_fields__
    assert record.__struct_config__.forbid_unknown_fields


def _undocumented_fields(path: Path) -> list[str]:
    """Names of annotated class fields that no docstring follows."""
    missing = []
    for cls in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)):
        for node, after in zip(cls.body, [*cls.body[1:], None], strict=True):
            is_field = isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node)
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if is_field and not documented:
                missing.append(f"{cls.name}.{ast.unparse(node.target)}")
    return missing


@pytest.mark.parametrize(
    "path", sorted(Path(records.__file__).parent.glob("*.py")), ids=lambda p: p.stem
)
def test_every_field_has_a_docstring(path: Path):
    assert _undocumented_fields(path) == []


def test_the_field_check_sees_a_missing_docstring(tmp_path: Path):
    bad = tmp_path / "bad.py"
    bad.write_text("class A:\n    x: int\n    y: int\n    '''Has one.'''\n")
    assert _undocumented_fields(bad) == ["A.x"]


@given(st.dictionaries(st.text(), JSON))
def test_digest_ignores_key_order(value: dict[str, object]):
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"limit": 8},
        {"task_version": 2},
        {"repeats": 4},
        {"prompt_template": "{q} "},
        {"options": {"n": 1}},
        {"decoding": {"steps": 20}},
        {"judge": Identity(id="clip", version="1", weights_sha256="ab")},
        {"scorer": Identity(id="s", version="1", settings={"threshold": 0.3})},
        {"dataset": DatasetInfo(name="d", revision="2", split="test", licence="MIT")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_a_score_depends_on_changes_the_protocol_hash(change: dict[str, object]):
    assert _protocol(**change).hash != _protocol().hash


def test_equal_protocols_have_equal_hashes():
    assert _protocol().hash == _protocol().hash


def test_only_scored_verdicts_are_known():
    known = {verdict for verdict in Verdict if verdict.is_known}
    assert known == {Verdict.OK, Verdict.WRONG, Verdict.UNPARSED}


def test_sample_names_its_cluster():
    assert Sample(id="a", k=2).key == "a#2"
    assert Sample(id="a").cluster_id == "a"
    assert Sample(id="a", cluster="image-7").cluster_id == "image-7"


def test_outcome_without_scores_stays_empty():
    assert Outcome(verdict=Verdict.ERRORED).scores == {}
