"""A worker that judges: it scores stored responses while others still generate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.engines.replica import News, TaskShelf, prepare_process
from harness.engines.wire import Report, Row, decode_setup, unpack_answered
from harness.errors import LedgerError
from harness.ledger import Answered
from harness.ledger.rows import outcome_row
from harness.media import decode_png
from harness.records import Outcome, Verdict
from harness.run.judging import Ready, Unscored, judge
from harness.run.restoring import with_image

if TYPE_CHECKING:
    from harness.engines.wire import Bytes

__all__ = ["Bench"]

_AT_ONCE = 8  # responses judged between two signs of life, and lost with a judge


class Bench:
    """Judges of some tasks, loaded when it's built; the driver decides which.

    Args:
        setup: Encoded `Setup`, with the tasks to be judged alone.

    Raises:
        BenchError: A judge can't be loaded here, or isn't what the protocol says.
    """

    def __init__(self, setup: bytes) -> None:
        decoded = decode_setup(setup)
        prepare_process(decoded)
        self._tasks = TaskShelf(decoded)
        for name in decoded.tasks:
            self._tasks[name].prepare()

    def hello(self) -> bytes:
        """Nothing to say: it's ready."""
        return b""

    def serve(self, task: str, rows: Sequence[Row], pictures: dict[str, Bytes]) -> Iterator[News]:
        """Judge a shard of one task, some responses at a time.

        Args:
            task: Name of the task.
            rows: Samples and responses, as `pack_answered` wrote them.
            pictures: The responses' PNGs by their paths.
        """
        answered = unpack_answered(rows)
        for start in range(0, len(answered), _AT_ONCE):
            some = answered[start : start + _AT_ONCE]
            yield "began", [item.n for item in some]
            judged = judge(self._tasks[task], [_ready(item, pictures) for item in some])
            yield "reported", [Report(n, outcome=outcome_row(outcome)) for n, outcome in judged]


def _ready(item: Answered, pictures: dict[str, Bytes]) -> Unscored:
    response = item.response
    assert response is not None  # noqa: S101 -- the driver sends no others
    image, path = None, response.image_path
    try:
        if path is not None:
            image = decode_png(pictures[path].tobytes(), Path(path), response.image_sha256)
    except LedgerError as error:
        return item.n, Outcome(verdict=Verdict.MISSING, reason=str(error))
    return Ready(item.n, item.sample, with_image(response, image))
