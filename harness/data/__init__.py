"""Data files of benchmarks: found and verified, read row by row, pictures decoded on demand."""

from harness.data.cache import Cache, LockEntry
from harness.data.find import Found, find_data
from harness.data.table import Row, Table, open_table

__all__ = ["Cache", "Found", "LockEntry", "Row", "Table", "find_data", "open_table"]
