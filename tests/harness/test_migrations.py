"""Schema versions: newer is refused, older is migrated, all or nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.errors import LedgerError
from harness.ledger import Ledger, LedgerWriter, read_manifest
from harness.migrations import Migration, migrate_ledger, migrate_manifest
from harness.records import SCHEMA_VERSION, Sample, StoredResponse
from tests.harness.conftest import Run


@pytest.fixture
def old() -> sqlite3.Connection:
    """A ledger of version 1 whose tables a later version changes."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(
        "CREATE TABLE meta (key TEXT, value TEXT); CREATE TABLE samples (n, id);"
        "INSERT INTO meta VALUES ('schema_version', '1'); INSERT INTO samples VALUES (1, 'a');"
    )
    return connection


def _add_difficulty(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE samples ADD COLUMN difficulty TEXT DEFAULT 'unknown'")


def _broken(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE samples ADD COLUMN half TEXT")
    raise ValueError("half-way")


STEPS = (
    Migration(1, ledger=_add_difficulty),
    Migration(2, manifest=lambda raw: {**raw, "note": raw["label"].upper()}),
)


def _version(connection: sqlite3.Connection) -> str:
    return connection.execute("SELECT value FROM meta").fetchone()[0]


def test_an_older_ledger_is_migrated_step_by_step(old: sqlite3.Connection):
    migrate_ledger(old, 1, where="x", current=3, steps=STEPS)
    assert old.execute("SELECT * FROM samples").fetchall() == [(1, "a", "unknown")]
    assert _version(old) == "3"


def test_a_failing_step_changes_nothing(old: sqlite3.Connection):
    steps = (STEPS[0], Migration(2, ledger=_broken))
    with pytest.raises(ValueError, match="half-way"):
        migrate_ledger(old, 1, where="x", current=3, steps=steps)
    assert old.execute("SELECT * FROM samples").fetchall() == [(1, "a")]
    assert _version(old) == "1"


def test_a_missing_step_is_named(old: sqlite3.Connection):
    with pytest.raises(LedgerError, match="no migration from schema 2"):
        migrate_ledger(old, 1, where="x", current=3, steps=STEPS[:1])


def test_an_older_manifest_is_migrated():
    raw = {"label": "a", "schema_version": 1}
    done = migrate_manifest(raw, where="x", current=3, steps=STEPS)
    assert done == {"label": "a", "note": "A", "schema_version": 3}
    assert raw == {"label": "a", "schema_version": 1}


def test_a_current_manifest_is_untouched():
    current = {"schema_version": SCHEMA_VERSION}
    assert migrate_manifest(current, where="x") == current


def test_a_newer_manifest_is_refused(run: Run, tmp_path: Path):
    run()
    path = tmp_path / "run" / "manifest.json"
    current = f'"schema_version": {SCHEMA_VERSION}'
    path.write_text(path.read_text().replace(current, '"schema_version": 99'))
    with pytest.raises(LedgerError, match=r"newer cheers-bench \(schema 99(.|\n)*upgrade"):
        read_manifest(tmp_path / "run")


def test_a_newer_ledger_is_refused_for_reading_and_writing(tmp_path: Path):
    with LedgerWriter.create(tmp_path, ["t"]) as ledger:
        ledger.plan("t", [Sample(id="a")])
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    for opened in (Ledger, LedgerWriter):
        with pytest.raises(LedgerError, match="newer cheers-bench"):
            opened.open(tmp_path)


def test_an_older_ledger_is_migrated_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole path: only the table of migrations is injected."""
    with LedgerWriter.create(tmp_path, ["t"]) as ledger:
        ledger.plan("t", [Sample(id="a")])
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    with connection:
        connection.execute("ALTER TABLE samples RENAME COLUMN category TO kind")
        connection.execute("UPDATE meta SET value = ?", (str(SCHEMA_VERSION - 1),))
    connection.close()

    def rename(old: sqlite3.Connection) -> None:
        old.execute("ALTER TABLE samples RENAME COLUMN kind TO category")

    steps = (Migration(SCHEMA_VERSION - 1, ledger=rename),)
    monkeypatch.setitem(migrate_ledger.__kwdefaults__, "steps", steps)
    with Ledger.open(tmp_path) as reader:
        assert reader.sample("t", "a").sample == Sample(id="a")
    with LedgerWriter.open(tmp_path) as writer:
        assert writer.total("t") == 1


def _as_version_1(folder: Path) -> None:
    """Take back what version 2 added to a run folder."""
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        connection.execute("ALTER TABLE responses DROP COLUMN is_greedy")
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    connection.close()
    path = folder / "manifest.json"
    if path.exists():
        current = f'"schema_version": {SCHEMA_VERSION}'
        path.write_text(path.read_text().replace(current, '"schema_version": 1'))


def test_responses_of_version_1_are_read_and_new_ones_join_them(tmp_path: Path):
    first, second = StoredResponse(loglikelihoods=(-1.0,)), StoredResponse(text="b")
    with LedgerWriter.create(tmp_path, ["t"]) as ledger:
        ledger.plan("t", [Sample(id=name) for name in "abc"])
        numbers = [pending.n for pending in ledger.pending("t", None, 10)]
        ledger.add_response(numbers[0], "d", "p", first)
        ledger.add_error(numbers[1], "d", "p", "boom")
    _as_version_1(tmp_path)
    greedy = StoredResponse(loglikelihoods=(-2.0, -3.0), is_greedy=(True, False))
    with LedgerWriter.open(tmp_path) as ledger:  # its columns are in another order now
        ledger.add_response(numbers[2], "d", "p", greedy)
        ledger.commit()
        assert ledger.sample("t", "a").response == first
        assert ledger.sample("t", "b").outcome.reason == "boom"
        assert ledger.sample("t", "c").response == greedy
        assert [item.response for item in ledger.unscored("t", None, 9)] == [first, None, greedy]
    assert second not in (first, greedy)


def test_a_run_of_version_1_is_continued(run: Run, tmp_path: Path):
    before = run()
    _as_version_1(tmp_path / "run")
    assert read_manifest(tmp_path / "run").schema_version == SCHEMA_VERSION
    assert run() == before
