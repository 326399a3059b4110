"""A worker with a replica of the model: it serves shards exactly as the local engine would."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias

from harness.engines.wire import (
    Earlier,
    Report,
    Row,
    Setup,
    WorkerHello,
    as_array,
    decode_setup,
    encode,
    unpack_earlier,
    unpack_pending,
)
from harness.environment import capture
from harness.errors import AdapterError
from harness.ledger import Pending
from harness.ledger.rows import outcome_row, printable, response_row
from harness.media import encode_png, image_file
from harness.models import build_model
from harness.records import Capability
from harness.registry import tasks
from harness.run.asking import Ask, addressed, ask
from harness.run.batches import Batcher, BatchSizes
from harness.run.folder import differences
from harness.run.measuring import measure_one
from harness.run.recording import origin_of, stored
from harness.run.serving import Served, describe, serve
from harness.run.settings import EngineSettings
from harness.task import Probe, ProbeContext, Task

__all__ = ["News", "Replica", "TaskShelf", "prepare_process"]

News: TypeAlias = tuple[str, list[int] | list[Report]]
"""`("began", rows)` before a batch, `("reported", reports)` after it."""


def prepare_process(setup: Setup) -> None:
    """Make a fresh process like the driver's: working folder, variables, same software.

    Raises:
        AdapterError: Other versions of packages that scores may depend on are installed here.
    """
    os.environ.update(setup.variables)
    if Path(setup.folder).is_dir():
        os.chdir(setup.folder)
    here = capture()
    changed = differences(
        {"packages": setup.environment.packages, "commit": setup.environment.commit},
        {"packages": here.packages, "commit": here.commit},
    )
    if changed:
        raise AdapterError(
            "a worker has other software than the driver ('there' is the driver):\n"
            + "\n".join(changed),
            "install the same versions on all machines, or start them from one image",
        )


class TaskShelf:
    """Tasks of a worker, built when they're first needed.

    Args:
        setup: What the worker was given.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._built: dict[str, Task] = {}

    def __getitem__(self, name: str) -> Task:
        """The task of that name."""
        if name not in self._built:
            self._built[name] = tasks().get(name)(self._setup.tasks[name].options)
        return self._built[name]


class Replica:
    """A model that serves shards; nothing of it knows what brought the shard.

    Args:
        setup: Encoded `Setup`.

    Raises:
        BenchError: The model can't be built here.
    """

    def __init__(self, setup: bytes) -> None:
        self._setup = decode_setup(setup)
        prepare_process(self._setup)
        self._tasks = TaskShelf(self._setup)
        self._adapter = build_model(self._setup.model)
        self._sizes = BatchSizes(self._adapter, self._setup.batch_size)
        self._settings = EngineSettings()
        self._encoders = ThreadPoolExecutor(self._settings.encoders, thread_name_prefix="png")

    def hello(self) -> bytes:
        """An encoded `WorkerHello`; loads the weights, if the adapter hadn't yet."""
        card = self._adapter.card
        return encode(
            WorkerHello(
                card=card,
                fingerprint=self._adapter.fingerprint(),
                batch_sizes={c.value: self._batch_size(c) for c in card.capabilities},
            )
        )

    def serve(
        self, task: str, rows: Sequence[Row], earlier: Sequence[Earlier] = ()
    ) -> Iterator[News]:
        """Work off a shard of one task, batch by batch.

        Args:
            task: Name of the task.
            rows: Samples, as `pack_pending` wrote them.
            earlier: What each of them follows, as `pack_earlier` wrote it; empty if none does.
        """
        found, pending = self._tasks[task], unpack_pending(rows)
        if isinstance(found, Probe):
            yield from self._measure(found, task, pending)
        else:
            yield from self._generate(found, pending, earlier or [None] * len(pending))

    def close(self) -> None:
        """Close the model."""
        self._encoders.shutdown()
        self._adapter.close()

    def _batch_size(self, capability: Capability) -> int:
        return self._setup.batch_size or self._adapter.preferred_batch_size(capability)

    def _generate(
        self, task: Task, pending: Sequence[Pending], earlier: Sequence[Earlier]
    ) -> Iterator[News]:
        name, batcher = task.metadata.name, Batcher(self._sizes, self._settings)
        for item, packed in zip(pending, earlier, strict=True):
            made = self._made(task, item, packed)
            if isinstance(made, Report):
                yield "reported", [made]
            elif batch := batcher.add(made):
                yield from self._batch(name, batch)
        for batch in batcher.drain():
            yield from self._batch(name, batch)

    def _made(self, task: Task, item: Pending, packed: Earlier) -> Ask | Report:
        earlier = unpack_earlier(packed)
        if isinstance(earlier, str):
            return Report(item.n, error=earlier)
        try:
            asked = ask(task, item.sample, self._setup.seed, earlier)
            return addressed(self._adapter, task.metadata.name, item, asked)
        except Exception as error:  # noqa: BLE001 -- broken data of one sample is its verdict
            return Report(item.n, error=printable(describe(error)))

    def _batch(self, task: str, batch: list[Ask]) -> Iterator[News]:
        yield "began", [one.n for one in batch]
        served = list(serve(self._adapter, batch, self._sizes))
        report = partial(_report, task, self._adapter.card.name)
        yield "reported", list(self._encoders.map(report, served))

    def _measure(self, probe: Probe, task: str, pending: Sequence[Pending]) -> Iterator[News]:
        limit = self._setup.tasks[task].limit
        with tempfile.TemporaryDirectory() as folder:
            context = ProbeContext(self._setup.seed, limit, self._setup.batch_size, Path(folder))
            for n, sample in pending:
                yield "began", [n]
                outcome = measure_one(probe, self._adapter, sample, context)
                yield "reported", [Report(n, outcome=outcome_row(outcome))]


def _report(task: str, model: str, served: Served) -> Report:
    asked, response = served.ask, served.response
    if response is None:
        error = printable(served.error or "")
        return Report(asked.n, asked.digest, printable(asked.prompt), error=error)
    if response.image is None:
        row = response_row(stored(response, None, None))
        return Report(asked.n, asked.digest, asked.prompt, row)
    data, sha256 = encode_png(response.image, origin_of(asked, task, model))
    path = image_file(task, asked.sample.id, asked.sample.k)
    row = response_row(stored(response, path, sha256))
    return Report(asked.n, asked.digest, asked.prompt, row, as_array(data))
