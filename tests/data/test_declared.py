"""Tasks declare data files; records written before they did are still read."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from harness.data.declared import chosen_files, declared_files
from harness.errors import DataError, UnknownNameError
from harness.records import DataFile, TaskMetadata
from harness.registry import tasks
from tests.harness.toys import metadata

Declare = Callable[..., None]


def test_files_have_the_tasks_that_read_them(declare: Declare, toy_file: DataFile):
    other = msgspec.structs.replace(toy_file, name="Other")
    declare("toy-one", toy_file)
    declare("toy-two", toy_file, other)
    found = {item.file.name: item.tasks for item in declared_files()}
    assert found["Toy_DEV"] == ("toy-one", "toy-two")
    assert found["Other"] == ("toy-two",)


def test_names_and_tasks_choose_files(declare: Declare, toy_file: DataFile):
    other = msgspec.structs.replace(toy_file, name="Other")
    declare("toy-two", toy_file, other)
    assert [item.file.name for item in chosen_files(("toy-two",))] == ["Other", "Toy_DEV"]
    assert [item.file.name for item in chosen_files(("Other",))] == ["Other"]
    with pytest.raises(UnknownNameError, match="unknown data set 'Othe'") as error:
        chosen_files(("Othe",))
    assert "'Other'" in error.value.remedy
    with pytest.raises(UnknownNameError, match="task 'shapes-ocr' declares no data file"):
        chosen_files(("shapes-ocr",))


def test_two_tasks_cant_disagree(declare: Declare, toy_file: DataFile):
    declare("toy-one", toy_file)
    declare("toy-two", msgspec.structs.replace(toy_file, md5="0" * 32))
    with pytest.raises(DataError, match=r"'toy-one' and 'toy-two' declare Toy_DEV/Toy_DEV\.tsv"):
        declared_files()


def test_a_broken_task_hides_no_other(
    declare: Declare, toy_file: DataFile, monkeypatch: pytest.MonkeyPatch
):
    from importlib.metadata import EntryPoint

    entry = EntryPoint("broken", "no_such_module_at_all:Task", "cheers_bench.tasks")
    monkeypatch.setitem(tasks()._found(), "broken", entry)
    declare("toy-one", toy_file)
    assert "Toy_DEV" in {item.file.name for item in declared_files()}


def test_metadata_without_files_is_still_read(toy_file: DataFile):
    plain = metadata("toy")
    stored = msgspec.json.decode(msgspec.json.encode(plain))
    del stored["files"]
    assert msgspec.convert(stored, TaskMetadata) == plain
    full = msgspec.structs.replace(plain, files=(toy_file,))
    assert msgspec.json.decode(msgspec.json.encode(full), type=TaskMetadata) == full


def test_files_are_no_part_of_the_protocol(toy_file: DataFile):
    task = tasks().get("shapes-ocr")()
    before = task.protocol(0).hash
    task.metadata = msgspec.structs.replace(task.metadata, files=(toy_file,))
    assert task.protocol(0).hash == before
