"""The command line. Nothing heavier than click is imported before a command needs it."""

from harness.cli.main import main

__all__ = ["main"]
