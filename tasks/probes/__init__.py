"""Probes: tasks that measure the model itself."""
