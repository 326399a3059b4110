"""The registry: lazy, helpful about wrong names, and robust against broken entries."""

from importlib.metadata import EntryPoint

import pytest

from harness.errors import AdapterError, UnknownNameError
from harness.registry import Registry


@pytest.fixture
def registry() -> Registry[object]:
    registry: Registry[object] = Registry("task", "cheers_bench.nothing")
    registry._entries = {
        name: EntryPoint(name, target, registry.group)
        for name, target in {
            "shapes-ocr": "json:dumps",
            "shapes-edit": "json:loads",
            "broken-import": "no_such_module_at_all:Task",
            "broken-name": "json:NoSuchTask",
        }.items()
    }
    return registry


def test_get_imports_the_entry(registry: Registry[object]):
    import json

    assert registry.get("shapes-ocr") is json.dumps


def test_names_are_sorted_and_iterable(registry: Registry[object]):
    assert list(registry) == registry.names() == sorted(registry.names())


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("shapes-orc", "'shapes-ocr'"), ("shape-edit", "'shapes-edit'"), ("mmlu", "list tasks")],
)
def test_a_wrong_name_gets_a_hint(registry: Registry[object], wrong: str, hint: str):
    with pytest.raises(UnknownNameError, match=f"unknown task '{wrong}'") as caught:
        registry.get(wrong)
    assert hint in caught.value.remedy


@pytest.mark.parametrize("name", ["broken-import", "broken-name"])
def test_a_broken_entry_is_named(registry: Registry[object], name: str):
    with pytest.raises(AdapterError, match=f"task '{name}'"):
        registry.get(name)


def test_an_added_object_is_found_and_cannot_be_replaced(registry: Registry[object]):
    registry.add("mine", 1)
    assert "mine" in registry
    assert registry.get("mine") == 1
    assert registry.origin("mine") == "this process"
    with pytest.raises(UnknownNameError, match="already registered"):
        registry.add("mine", 2)
    with pytest.raises(UnknownNameError, match="already registered"):
        registry.add("shapes-ocr", 2)


def test_an_empty_group_is_empty():
    empty: Registry[object] = Registry("task", "cheers_bench.no_such_group")
    assert empty.names() == []
    with pytest.raises(UnknownNameError):
        empty.get("x")
