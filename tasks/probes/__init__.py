"""Probes: what a model costs, measured through the same interface as every benchmark."""
