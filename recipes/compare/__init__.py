"""Models of every kind on the embedded tasks, in one table: `make demo-compare`."""
