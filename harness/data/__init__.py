"""Data files of benchmarks: found and verified, read row by row, pictures decoded on demand."""

from harness.data.cache import Cache, LockEntry
from harness.data.checking import Finding, Kind, check
from harness.data.describing import Spread, TableStats, describe
from harness.data.find import Found, find_data
from harness.data.table import Row, Table, open_table

__all__ = [
    "Cache",
    "Finding",
    "Found",
    "Kind",
    "LockEntry",
    "Row",
    "Spread",
    "Table",
    "TableStats",
    "check",
    "describe",
    "find_data",
    "open_table",
]
