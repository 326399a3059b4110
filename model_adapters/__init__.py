"""Adapters that drive models."""
