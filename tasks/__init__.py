"""Benchmarks and probes."""
