"""Recording responses: pictures are encoded by threads while the model goes on."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

from harness.ledger import LedgerWriter
from harness.ledger.faults import explained
from harness.media import ImageOrigin, image_file, write_png
from harness.records import Response, StoredResponse
from harness.run.ahead import EarlyScores
from harness.run.asking import Ask
from harness.run.serving import Served
from harness.run.settings import EngineSettings

__all__ = ["Recorder", "origin_of", "stored"]


class _Drawn(NamedTuple):
    ask: Ask
    response: Response
    path: str
    written: Future[str]


class Recorder:
    """Writes what the model gave back; use it as a context manager.

    A response's row is added only after its picture is on disk, and pictures are encoded by a
    few threads with a bounded queue. Leaving the block without an exception settles everything.

    Args:
        ledger: Ledger of the run.
        task: Name of the task.
        model: Name of the model, for the pictures' text chunk.
        settings: Sizes of pool and queue.

    Attributes:
        scores: Who takes the responses whose rows are added; `None` is nobody.
    """

    def __init__(
        self, ledger: LedgerWriter, task: str, model: str, settings: EngineSettings
    ) -> None:
        self._ledger = ledger
        self._task = task
        self._model = model
        self._limit = settings.encoder_queue
        self._pool = ThreadPoolExecutor(settings.encoders, thread_name_prefix="png")
        self._drawn: deque[_Drawn] = deque()
        self.scores: EarlyScores | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def record(self, served: Served) -> None:
        """Take what became of one request.

        Raises:
            LedgerError: An earlier picture couldn't be written.
        """
        if served.response is None:
            ask = served.ask
            self._ledger.add_error(ask.n, ask.digest, ask.prompt, served.error or "")
        elif served.response.image is None:
            self._add(served.ask, served.response, None, None)
        else:
            self._draw(served.ask, served.response)

    def fail(self, n: int, error: str) -> None:
        """Record that no request could be made of the sample in row `n`."""
        self._ledger.add_error(n, "", "", error)

    def commit_if_due(self) -> None:
        """Add the rows whose pictures are on disk, and commit them in time."""
        while self._drawn and (self._drawn[0].written.done() or len(self._drawn) > self._limit):
            self._finish(self._drawn.popleft())
        if self.scores is not None:
            self.scores.collect()
        self._ledger.commit_if_due()

    def settle(self) -> None:
        """Wait for all pictures and commit everything.

        Raises:
            LedgerError: A picture or a row couldn't be written.
        """
        while self._drawn:
            self._finish(self._drawn.popleft())
        if self.scores is not None:
            self.scores.collect(wait=True)
        self._ledger.commit()

    def _draw(self, ask: Ask, response: Response) -> None:
        path = image_file(self._task, ask.sample.id, ask.sample.k)
        origin = origin_of(ask, self._task, self._model)
        target = self._ledger.folder / path
        with explained(self._ledger.folder):
            target.parent.mkdir(parents=True, exist_ok=True)
        assert response.image is not None  # noqa: S101 -- the caller looked
        written = self._pool.submit(write_png, target, response.image, origin)
        self._drawn.append(_Drawn(ask, response, path, written))

    def _finish(self, drawn: _Drawn) -> None:
        with explained(self._ledger.folder):
            sha256 = drawn.written.result()
        self._add(drawn.ask, drawn.response, drawn.path, sha256)

    def _add(self, ask: Ask, response: Response, path: str | None, sha256: str | None) -> None:
        self._ledger.add_response(ask.n, ask.digest, ask.prompt, stored(response, path, sha256))
        if self.scores is not None:
            self.scores.take(ask, response)


def origin_of(ask: Ask, task: str, model: str) -> ImageOrigin:
    """What the picture of a request says about itself.

    Args:
        ask: The request.
        task: Name of the task.
        model: Name of the model.
    """
    return ImageOrigin(
        task=task,
        sample=ask.sample.id,
        k=ask.sample.k,
        seed=ask.request.seed,
        model=model,
        prompt_sha256=hashlib.sha256(ask.prompt.encode()).hexdigest(),
    )


def stored(response: Response, path: str | None, sha256: str | None) -> StoredResponse:
    """A response as the ledger keeps it, with its picture's path and pixel hash."""
    return StoredResponse(
        text=response.text,
        image_path=path,
        image_sha256=sha256,
        loglikelihoods=response.loglikelihoods,
        is_greedy=response.is_greedy,
        finish_reason=response.finish_reason,
        usage=response.usage,
        timing=response.timing,
    )
