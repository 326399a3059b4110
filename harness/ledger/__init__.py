"""The run folder: a manifest, one SQLite database, and pictures beside it."""

from harness.ledger.export import export
from harness.ledger.ledger import Counts, Entry, Ledger, Timings
from harness.ledger.manifest import is_run_folder, read_manifest, write_manifest
from harness.ledger.view import ScoredView
from harness.ledger.writer import Answered, LedgerWriter, Pending

__all__ = [
    "Answered",
    "Counts",
    "Entry",
    "Ledger",
    "LedgerWriter",
    "Pending",
    "ScoredView",
    "Timings",
    "export",
    "is_run_folder",
    "read_manifest",
    "write_manifest",
]
