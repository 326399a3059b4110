"""Cycle consistency: a model draws from facts, then answers questions about what it drew."""
