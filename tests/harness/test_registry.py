"""The registry: lazy, helpful about wrong names, and robust against broken entries."""

from importlib.metadata import EntryPoint

import pytest

from harness.errors import AdapterError, UnknownNameError
from harness.family import TaskFamily
from harness.registry import Registry, TaskRegistry
from harness.task import Task
from tests.harness import toys


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


class Counted(TaskFamily):
    """Makes a toy task of any name, and counts how often."""

    summary = "Toys."

    def __init__(self) -> None:
        self.made: list[str] = []

    def task(self, rest: str) -> type[Task]:
        if not rest:
            raise UnknownNameError("toy: names no toy", "write toy:NAME")
        self.made.append(rest)
        return type("Toy", (toys.ToyTask,), {"metadata": toys.metadata(f"toy:{rest}")})


@pytest.fixture
def family() -> Counted:
    return Counted()


@pytest.fixture
def with_family(registry: Registry[object], family: Counted) -> TaskRegistry:
    families: Registry[TaskFamily] = Registry("task family", "cheers_bench.nothing", "families")
    families.add("toy", family)
    tasks = TaskRegistry("task", "cheers_bench.nothing", families)
    tasks._entries = registry._entries
    return tasks


@pytest.mark.parametrize("rest", ["a", "./my task.yaml", "a:b.c=d", "x/y.yaml"])
def test_a_family_makes_a_task_of_whatever_stands_behind_the_colon(
    with_family: TaskRegistry, rest: str
):
    assert with_family.get(f"toy:{rest}").metadata.name == f"toy:{rest}"
    assert f"toy:{rest}" in with_family


def test_a_task_is_made_once(with_family: TaskRegistry, family: Counted):
    assert with_family.get("toy:a") is with_family.get("toy:a")
    assert family.made == ["a"]


def test_names_list_no_family(with_family: TaskRegistry):
    assert "toy" not in with_family.names()
    assert with_family.origin("toy:a") == "this process"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("tov:a", "did you mean 'toy'"),
        ("harness9000:a", "families: toy"),
        ("toy", "write toy:TASK"),
        ("shapes-orc", "'shapes-ocr'"),
        ("toy:", "write toy:NAME"),
    ],
)
def test_wrong_names_get_hints_with_families_too(with_family: TaskRegistry, wrong: str, hint: str):
    assert wrong.partition(":")[0] == "toy" or wrong not in with_family
    with pytest.raises(UnknownNameError) as caught:
        with_family.get(wrong)
    assert hint in caught.value.remedy


def test_a_familys_name_cannot_be_taken(with_family: TaskRegistry):
    with pytest.raises(UnknownNameError, match="already registered"):
        with_family.add("toy:mine", toys.ToyTask)
