"""Ctrl-C that a check sends leaves Python's own locks as they were."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from harness.conformance.interrupts import _alarm


class SlowHandler(logging.Handler):
    """Takes 50 ms for a message, in which the lock on handlers is held."""

    def __init__(self) -> None:
        super().__init__()
        self.through = 0

    def emit(self, record: logging.LogRecord) -> None:
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            pass
        self.through += 1


@pytest.fixture
def log(request: pytest.FixtureRequest) -> logging.Logger:
    logger = logging.getLogger(request.node.name)
    logger.propagate = False
    return logger


def test_no_message_is_interrupted(log: logging.Logger) -> None:
    handler = SlowHandler()
    log.addHandler(handler)

    def work(rung: list[bool]) -> None:
        log.warning("a message")
        assert not rung, "while it was being logged"
        time.sleep(5)

    with _alarm(0.01) as rung, pytest.raises(KeyboardInterrupt):
        work(rung)
    assert rung
    assert handler.through == 1


def test_the_lock_on_all_logging_is_free_afterwards(log: logging.Logger) -> None:
    """Where nothing is cached, asking for the level takes the lock."""

    def work() -> None:
        while True:
            log.isEnabledFor(logging.DEBUG)
            log.manager._clear_cache()

    for _ in range(50):
        with _alarm(0.002), pytest.raises(KeyboardInterrupt):
            work()
    other = threading.Thread(target=logging.getLogger, args=(f"{log.name}.other",), daemon=True)
    other.start()
    other.join(5)
    free = not other.is_alive()
    while logging._lock._is_owned():
        logging._lock.release()  # so that the other tests can go on
    assert free


def test_work_between_messages_is_interrupted_at_once() -> None:
    start = time.perf_counter()
    with _alarm(0.02), pytest.raises(KeyboardInterrupt):
        time.sleep(5)
    assert time.perf_counter() - start < 1
