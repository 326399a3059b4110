"""Several processes and one cache: killed, waiting, at once."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.data import Cache, find_data
from harness.data.store import pull_file
from harness.records import DataFile
from tests.data.faulty_server import FaultyServer, hang, serving

CONTENT = b"index\tquestion\n1\tWhat?\n" * 20_000

PULL = """
import sys
from pathlib import Path
import msgspec
from harness.data import Cache
from harness.data.store import pull_file
from harness.records import DataFile
pull_file(msgspec.json.decode(sys.argv[1], type=DataFile), Cache(Path(sys.argv[2])))
"""


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def file(server: FaultyServer) -> DataFile:
    return DataFile(
        name="Toy",
        file="Toy.tsv",
        urls=(server.url,),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="MIT",
        split="dev",
        origin="here",
    )


def puller(file: DataFile, cache: Cache) -> subprocess.Popen[bytes]:
    code = [sys.executable, "-c", PULL, msgspec.json.encode(file).decode(), str(cache.root)]
    return subprocess.Popen(code)


def test_a_killed_download_is_gone_on_with(server: FaultyServer, file: DataFile, tmp_path: Path):
    cache = Cache(tmp_path)
    server.faults = [hang(30, after=300_000)]
    process = puller(file, cache)
    _wait_for(lambda: _part_size(cache) >= 200_000)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    kept = _part_size(cache)
    assert pull_file(file, cache).read_bytes() == CONTENT
    assert server.asked_ranges() == ["", f"bytes={kept}-"]
    assert find_data(file, cache=cache).official


def test_processes_that_want_one_file_fetch_it_once(
    server: FaultyServer, file: DataFile, tmp_path: Path
):
    cache = Cache(tmp_path)
    running = [puller(file, cache) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(server.requests) == 1
    assert find_data(file, cache=cache).official


def _part_size(cache: Cache) -> int:
    return max((path.stat().st_size for path in cache.root.glob("Toy/.*.part")), default=0)


def _wait_for(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
