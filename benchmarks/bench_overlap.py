"""How long the device waits for the engine: with and without work beside the model, in one run.

Run with `python -m pytest benchmarks/bench_overlap.py -m bench --benchmark-enable -s`. The device
is a model that sleeps, so it leaves the processor free as a GPU does. Each sample's picture is
decoded to ask for an edit, and the answer is written as a PNG and compared with its target.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_task import CountingTask
from harness.records import (
    Capability,
    EditImageRequest,
    Modality,
    Outcome,
    Request,
    Response,
    Sample,
    Verdict,
)
from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.null import NullModel
from tasks.scoring.images import psnr

pytestmark = pytest.mark.bench

SAMPLES, BATCH, SIDE, ROUNDS = 64, 4, 512, 3
STEP_S = 0.4


def _picture() -> bytes:
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    small = rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = _picture()


class DecodingTask(CountingTask):
    """Edits of pictures that are decoded for each request, scored by how much they changed."""

    metadata = msgspec.structs.replace(
        CountingTask.metadata,
        name="decoding",
        requires=frozenset({Capability.EDIT_IMAGE}),
        outputs=(Modality.IMAGE,),
    )

    def request(self, sample: Sample, seed: int) -> Request:
        del sample
        image = Image.open(io.BytesIO(PICTURE)).convert("RGB")
        return EditImageRequest(prompt="Leave it as it is.", image=image, seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        del sample
        before = np.asarray(Image.open(io.BytesIO(PICTURE)).convert("RGB"))
        alike = psnr(before, np.asarray(response.image)) > 40
        return Outcome(verdict=Verdict.OK, scores={"accuracy": float(alike)})


class Device(NullModel):
    """Works `STEP_S` seconds on each batch, beside the processor."""

    card = msgspec.structs.replace(NullModel.card, name="device")
    calls: ClassVar[list[tuple[float, float]]] = []

    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        start = time.perf_counter()
        responses = super().edit_image(requests)
        time.sleep(STEP_S)
        self.calls.append((start, time.perf_counter()))
        return responses

    @classmethod
    def idle_share(cls) -> float:
        """Share of the time between the first call and the end of the last without a call."""
        busy = sum(end - start for start, end in cls.calls)
        return 1 - busy / (cls.calls[-1][1] - cls.calls[0][0])


class Inline(Executor):
    """A pool that does its work at once, in the caller's thread."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **kwargs))
        return done


def run(out: Path) -> float:
    """Carry out a run; the device's idle share while the model was asked."""
    Device.calls.clear()
    execute(
        RunSpec(
            tasks=(TaskRef(task="decoding", options={"samples": SAMPLES}),),
            model=ModelRef(name="device"),
            out=str(out),
            batch_size=BATCH,
        )
    )
    return Device.idle_share()


def test_the_device_seldom_waits(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tasks().add("decoding", DecodingTask)
    models().add("device", Device)
    beside, apart = [], []
    for number in range(ROUNDS):
        beside.append(run(tmp_path / f"beside{number}"))
        with monkeypatch.context() as patch:
            for module in ("recording", "ahead"):
                patch.setattr(f"harness.run.{module}.ThreadPoolExecutor", Inline)
            apart.append(run(tmp_path / f"apart{number}"))
    found = {"beside": statistics.median(beside), "apart": statistics.median(apart)}
    benchmark.extra_info.update(found)
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)
    print(f"\nidle share of the device: {found} (beside: {min(beside):.3f} to {max(beside):.3f})")
    assert found["beside"] < 0.5 * found["apart"]
