"""Published benchmarks of editing by instruction, scored by a judging model."""
