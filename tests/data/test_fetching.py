"""A download's progress: a bar on a terminal, a line in a log."""

from __future__ import annotations

import io
import sys

import pytest

from harness.cli.fetching import fetching


class Terminal(io.StringIO):
    """Standard error of somebody who watches."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_one_line(capsys: pytest.CaptureFixture[str]):
    with fetching("x.tsv") as progress:
        for done in range(0, 1000, 10):
            progress(done, 1000)
    assert capsys.readouterr().err == "fetching x.tsv\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with fetching("x.tsv") as progress:
        progress(500, None)
        progress(1_000_000, 2_000_000)
    assert "x.tsv" in screen.getvalue()
    assert "1.0/2.0 MB" in screen.getvalue()


def test_an_error_inside_comes_out(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError, match="lost"), fetching("x.tsv"):
        raise ValueError("lost")
