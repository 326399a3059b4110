"""Data files that aren't part of this package: found on disk or on the hub, and told apart."""

from harness.data.hashing import check_hash, git_blob_hash, hash_file
from harness.data.hub import locate

__all__ = ["check_hash", "git_blob_hash", "hash_file", "locate"]
