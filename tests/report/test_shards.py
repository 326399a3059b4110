"""Shards: bounded, in order, and found again."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.shards import PackedShards, ShardWriter


class _Kept(ShardWriter):
    def __init__(self) -> None:
        self.shards: dict[str, list[object]] = {}

    def write(self, name: str, items: Sequence[str]) -> None:
        assert name not in self.shards
        self.shards[name] = [json.loads(item) for item in items]


def _packed(values: list[str], count: int, size: int) -> tuple[_Kept, PackedShards]:
    writer = _Kept()
    shards = PackedShards(writer, "p", count=count, size=size)
    for value in values:
        shards.add(value)
    shards.flush()
    return writer, shards


@given(st.lists(st.text("ab<", max_size=30)), st.integers(1, 5), st.integers(1, 60))
def test_all_values_in_order_within_bounds(values: list[str], count: int, size: int):
    writer, shards = _packed(values, count, size)
    assert [v for found in writer.shards.values() for v in found] == values
    assert list(writer.shards) == [f"p-{n}" for n in range(len(shards.starts))]
    for found in writer.shards.values():
        assert len(found) <= count
        assert len(found) == 1 or len(json.dumps(found).replace(", ", "")) <= 2 * size + 2


@given(st.lists(st.text("ab", max_size=30), min_size=1), st.integers(1, 5))
def test_starts_say_where_each_value_is(values: list[str], count: int):
    writer, shards = _packed(values, count, 50)
    for position, value in enumerate(values):
        number = shards.shard_of(position)
        assert writer.shards[f"p-{number}"][position - shards.starts[number]] == value


def test_positions_outside_are_refused():
    _, shards = _packed(["a"], 1, 10)
    for position in (-1, 1):
        with pytest.raises(IndexError):
            shards.shard_of(position)


def test_a_large_value_has_a_shard_of_its_own():
    writer, _ = _packed(["a", "b" * 100, "c"], 10, 20)
    assert [len(found) for found in writer.shards.values()] == [1, 1, 1]


def test_files(tmp_path: Path):
    ShardWriter(tmp_path, scripts=True).write("rows-0-0-0", ['{"a":1}', "2"])
    ShardWriter(tmp_path, scripts=False).write("rows-0-0-0", ['{"a":1}', "2"])
    script = (tmp_path / "rows-0-0-0.js").read_text()
    name, body = re.fullmatch(r'cheersBenchShard\("(.*?)",(.*)\);\n', script, re.DOTALL).groups()
    assert name == "rows-0-0-0"
    assert json.loads(body) == json.loads((tmp_path / "rows-0-0-0.json").read_text())
