"""Splits of the hub through the optional package `datasets`, here a stand-in."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.data import find_data, open_table
from harness.data.hubtable import hash_split, parse_hub_table
from harness.errors import DataError, SpecError
from harness.records import DataFile
from tests.data.toys import png

ADDRESS = "hf://datasets/o/n@abc?config=en&split=test"


class Image:
    """A column of pictures."""

    def __init__(self, *, decode: bool = True) -> None:
        self.decode = decode


class Rows:
    """What `load_dataset` returns, as far as it's used."""

    def __init__(self, rows: list[dict[str, Any]], features: dict[str, Any]) -> None:
        self._rows = rows
        self.features = features

    @property
    def column_names(self) -> list[str]:
        return list(self.features)

    def cast_column(self, name: str, feature: Any) -> Rows:
        return Rows(self._rows, {**self.features, name: feature})

    def remove_columns(self, names: list[str]) -> Rows:
        left = [{k: v for k, v in row.items() if k not in names} for row in self._rows]
        return Rows(left, {k: v for k, v in self.features.items() if k not in names})

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        for name, feature in self.features.items():
            assert getattr(feature, "decode", False) is False, f"{name} would be decoded"
        return self._rows[number]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def load_dataset(*args: Any, **options: Any) -> Rows:
        image: dict[str, Any] = {"bytes": png("blue"), "path": None}
        if options["split"] == "none":
            raise ValueError("Unknown split")
        if options["split"] == "changed":
            image = {"bytes": png("lime"), "path": None}
        if options["split"] == "kept":
            image = {"bytes": None, "path": str(calls[-1])}
        else:
            calls.append((args, options))
        rows = [{"question": "Q?", "image": image}]
        return Rows(rows, {"question": "text", "image": Image()})

    hash_split.cache_clear()
    module = SimpleNamespace(Image=Image, load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def test_a_split_is_read_at_its_revision_without_decoding(asked: list[Any]):
    table = open_table(ADDRESS)
    assert asked == [(("o/n", "en"), {"split": "test", "revision": "abc"})]
    assert (len(table), table.columns) == (1, ("question", "image"))
    assert [(row["question"], row["image"]) for row in table] == [("Q?", "(image)")]
    assert table.images(0)[0].getpixel((0, 0)) == (0, 0, 255)


def test_a_split_is_found_by_the_hash_of_its_rows(asked: list[Any], toy_file: DataFile):
    found = find_data(toy_file, ADDRESS)
    assert (found.official, found.name, found.location) == (False, "Toy_DEV-file", ADDRESS)
    assert find_data(toy_file, ADDRESS) == found
    assert len(asked) == 1
    other = find_data(toy_file, ADDRESS.replace("test", "changed"))
    assert other.sha256 != found.sha256


def test_files_that_datasets_keeps_are_read_and_hashed_by_content(
    asked: list[Any], tmp_path: Path, toy_file: DataFile
):
    found = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        kept = tmp_path / folder / "1.png"
        kept.write_bytes(png("red"))
        asked.append(kept)
        address = f"hf://datasets/o/n@{folder}?split=kept"
        assert open_table(address).images(0)[0].getpixel((0, 0)) == (255, 0, 0)
        found.append(find_data(toy_file, address).sha256)
    assert found[0] == found[1]


def test_a_path_in_a_row_reads_nothing_from_here(
    asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "secret.png").write_bytes(png("red"))
    monkeypatch.chdir(tmp_path)
    asked.append("secret.png")
    with pytest.raises(DataError, match=r"names secret\.png, but the table has no folder"):
        open_table("hf://datasets/o/n@abc?split=kept").images(0)


def test_a_table_can_be_sent_to_another_process(asked: list[Any]):
    assert pickle.loads(pickle.dumps(open_table(ADDRESS))).row(0)["question"] == "Q?"


def test_a_failure_names_the_data_set(asked: list[Any]):
    with pytest.raises(DataError, match=r"o/n can't be had from the hub: Unknown split"):
        open_table("hf://datasets/o/n@abc?split=none")


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="needs the package datasets") as error:
        open_table(ADDRESS)
    assert "cheers-bench[datasets]" in error.value.remedy


def test_addresses_have_a_revision_and_a_split():
    assert parse_hub_table("hf://datasets/o/n@v1?split=dev").config is None
    for address in (
        *("hf://datasets/o/n?split=test", "hf://datasets/o/n@abc?split=", "hf://o/n@a?split=test"),
        *("hf://datasets/o@a?split=test", "hf://datasets/o/n@a?split=test&config=x"),
    ):
        with pytest.raises(SpecError, match="is no data set of the hub"):
            open_table(address)
