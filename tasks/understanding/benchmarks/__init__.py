"""The benchmarks, one small file each; registered as tasks by `pyproject.toml`."""
