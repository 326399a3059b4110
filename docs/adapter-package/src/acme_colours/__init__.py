"""A model adapter for cheers-bench."""
