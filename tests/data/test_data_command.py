"""`cheers-bench data` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from harness import doctor
from harness.data import Cache
from harness.doctor import State
from harness.records import DataFile
from tests.data.faulty_server import FaultyServer, refusal, serving
from tests.data.toys import question, write_tsv

Cheers = Callable[..., tuple[int, str, str]]
Declare = Callable[..., None]


@pytest.fixture
def server(toy_tsv: Path) -> Iterator[FaultyServer]:
    with serving(toy_tsv.read_bytes()) as running:
        yield running


@pytest.fixture
def file(declare: Declare, toy_file: DataFile, server: FaultyServer) -> DataFile:
    """A declared file that can be pulled."""
    file = msgspec.structs.replace(toy_file, urls=(server.url,))
    declare("toy-task", file)
    return file


def test_list_pull_and_verify(cheers: Cheers, file: DataFile, own_cache: Cache):
    code, out, _ = cheers("data", "list")
    row = next(line for line in out.splitlines() if line.startswith("Toy_DEV"))
    assert (code, row.split()[-3:]) == (0, ["absent", "CC-BY-4.0", "toy-task"])
    assert str(own_cache.root) in out
    code, out, err = cheers("data", "pull", "toy-task")
    assert (code, "fetching Toy_DEV.tsv" in err) == (0, True)
    assert str(own_cache.path("Toy_DEV", "Toy_DEV.tsv")) in out
    _, out, _ = cheers("data", "list")
    assert " verified " in out
    code, out, _ = cheers("data", "verify")
    assert (code, out.split()[:2]) == (0, ["verified", "Toy_DEV/Toy_DEV.tsv"])


def test_verify_finds_a_changed_file(cheers: Cheers, file: DataFile, own_cache: Cache):
    cheers("data", "pull", "Toy_DEV")
    own_cache.path("Toy_DEV", "Toy_DEV.tsv").write_bytes(b"changed")
    for names in ((), ("Toy_DEV",), ("toy-task",)):
        code, out, _ = cheers("data", "verify", *names)
        assert code == 1
        assert "bad" in out
        assert "has changed: sha256" in out
    code, out, _ = cheers("data", "list")
    assert (code, " bad " in out) == (0, True)


def test_verify_says_what_is_absent(cheers: Cheers, file: DataFile):
    code, out, _ = cheers("data", "verify")
    assert (code, "the cache is empty" in out) == (0, True)
    code, out, _ = cheers("data", "verify", "Toy_DEV")
    assert (code, out.split()[0]) == (1, "absent")


def test_one_failure_doesnt_stop_the_others(
    cheers: Cheers, declare: Declare, file: DataFile, server: FaultyServer
):
    declare("toy-two", msgspec.structs.replace(file, name="A_first"))
    server.faults = [refusal(404)]
    code, out, err = cheers("data", "pull", "toy-two", "toy-task")
    assert code == 1
    assert "A_first: Toy_DEV.tsv can't be fetched" in err
    assert "remedy:" in err
    assert out.startswith("Toy_DEV: ")


def test_unknown_names_exit_with_2(cheers: Cheers, file: DataFile):
    for command in (("pull", "Toy_DEW"), ("verify", "Toy_DEW"), ("import", "Toy_DEW", "x")):
        code, _, err = cheers("data", *command)
        assert (code, "did you mean 'Toy_DEV'" in err) == (2, True), command
    assert cheers("data", "pull")[0] == 2
    code, _, err = cheers("data", "import", "toy-task", "x.tsv")
    assert (code, "isn't one data file" in err) == (2, True)


def test_a_brought_file_is_imported(cheers: Cheers, file: DataFile, toy_tsv: Path):
    code, out, _ = cheers("data", "import", "Toy_DEV", toy_tsv, "--link")
    assert (code, out.startswith("Toy_DEV: ")) == (0, True)
    assert cheers("data", "verify", "Toy_DEV")[0] == 0


def test_another_file_is_accepted_under_another_name(
    cheers: Cheers, file: DataFile, tmp_path: Path
):
    other = write_tsv(tmp_path / "mine.tsv", [question(9)])
    code, _, err = cheers("data", "import", "Toy_DEV", other)
    assert (code, "isn't the official file of Toy_DEV" in err) == (1, True)
    code, out, _ = cheers("data", "import", "Toy_DEV", other, "--accept")
    assert (code, "give tasks 'Toy_DEV-file'" in out) == (0, True)
    code, out, _ = cheers("data", "list")
    assert "Toy_DEV-file" in out
    assert "unvouched" in out
    code, out, _ = cheers("data", "show", "Toy_DEV-file", "--format", "json")
    assert json.loads(out)["statistics"]["rows"] == 1
    assert cheers("data", "verify", "Toy_DEV-file")[0] == 0


def test_one_of_several_files_is_told_by_its_name(
    cheers: Cheers, declare: Declare, toy_file: DataFile, toy_tsv: Path
):
    declare("toy-task", toy_file, msgspec.structs.replace(toy_file, file="more.tsv"))
    assert cheers("data", "import", "Toy_DEV", toy_tsv)[0] == 0
    code, _, err = cheers("data", "import", "Toy_DEV", "elsewhere.tsv")
    assert (code, "has several files: Toy_DEV.tsv, more.tsv" in err) == (2, True)


def test_show_gives_statistics_and_findings(cheers: Cheers, tmp_path: Path):
    rows = [question(1, answer="C", category="\x1b[31mred"), *[question(2, image="")] * 3]
    path = write_tsv(tmp_path / "t.tsv", rows)
    code, out, _ = cheers("data", "show", path, "-n", 1)
    assert code == 0
    assert "rows             4" in out
    assert "row 0 (index 1): the answer is 'C', the options are A, B" in out
    assert "bad-image: 3" in out
    assert "and 2 more" in out
    assert "\x1b" not in out
    code, out, _ = cheers("data", "show", path, "--format", "json")
    shown = json.loads(out)
    assert shown["statistics"]["options"] == {"2": 4}
    assert {finding["kind"] for finding in shown["findings"]} >= {"bad-image", "duplicate-index"}


def test_show_takes_other_column_names(cheers: Cheers, tmp_path: Path):
    (tmp_path / "t.jsonl").write_text('{"prompt": "Why?"}\n')
    code, out, _ = cheers("data", "show", tmp_path / "t.jsonl", "--column", "question=prompt")
    assert (code, "4 to 4" in out) == (0, True)
    assert "no findings" in out
    for pair in ("question", "question=", "nonsense=prompt"):
        code, _, err = cheers("data", "show", tmp_path / "t.jsonl", "--column", pair)
        assert (code, "remedy" in err) == (2, True)


def test_show_knows_declared_names(cheers: Cheers, file: DataFile):
    code, _, err = cheers("data", "show", "Toy_DEV")
    assert (code, "data pull Toy_DEV" in err) == (1, True)
    cheers("data", "pull", "Toy_DEV")
    code, out, _ = cheers("data", "show", "Toy_DEV")
    assert (code, "no findings" in out) == (0, True)


def test_the_doctor_looks_at_the_cache(own_cache: Cache, cheers: Cheers, file: DataFile):
    finding = doctor._data_cache()
    assert finding.state is State.OK
    assert f"files: 0 in {own_cache.root}, 0.0 GB" in finding.detail
    cheers("data", "pull", "Toy_DEV")
    assert doctor._data_cache().detail.startswith("files: 1 in")
    (own_cache.root / "data.lock").write_text("{")
    assert doctor._data_cache().state is State.PROBLEM


@pytest.mark.parametrize("arguments", [["data", "--help"], ["data", "pull", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]):
    code = (
        "import sys\nfrom harness.cli.main import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = ('torch', 'numpy', 'PIL', 'pyarrow', 'httpx2', 'huggingface_hub', 'rich')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "[]"


def test_the_data_layer_itself_is_light():
    code = (
        "import harness.data, sys; "
        "heavy = ('torch', 'numpy', 'PIL', 'pyarrow', 'httpx2', 'huggingface_hub', 'filelock')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
