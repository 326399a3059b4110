"""What the real adapter gives depends on the sample alone.

Noise and dummy images are equal bit for bit. Answers are equal. Sums are made in another order
when a batch has another shape, so pictures may differ by one grey level of 255 and
log-likelihoods by 1e-4 nats a batch apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.adapter import ModelAdapter
from harness.errors import RunInterruptedError
from harness.ledger.export import export_rows
from harness.registry import models
from harness.run import EngineSettings, execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.cheers import drawing, processor
from model_adapters.cheers.adapter import CheersAdapter
from tests.adapters.mixed_tasks import TASKS

LEVELS = 1
"""Grey levels of 255 by which a pixel may differ between batch shapes."""

NATS = 1e-4
"""Nats by which a log-likelihood may differ between batch shapes."""

NAMES = [task.metadata.name for task in TASKS]
Rows = dict[str, dict[str, Any]]


class Spied(ModelAdapter):
    """Passes everything on; notes the noise, the dummy images and the decodings of each call."""

    def __init__(self, inner: CheersAdapter, interrupt_at: int | None = None) -> None:
        self.card = inner.card
        self.inner = inner
        self.calls: list[list[Any]] = []
        self.interrupt_at = interrupt_at

    def __getattribute__(self, name: str) -> Any:
        if name not in ("answer", "generate_image", "edit_image", "loglikelihood"):
            if name in ("fingerprint", "batch_key", "preferred_batch_size"):
                return getattr(object.__getattribute__(self, "inner"), name)
            return object.__getattribute__(self, name)
        return lambda requests: self.serve(name, requests)

    def serve(self, name: str, requests: list[Any]) -> Any:
        if len(self.calls) == self.interrupt_at:
            raise KeyboardInterrupt
        self.calls.append(list(requests))
        return getattr(self.inner, name)(requests)

    def fingerprint(self) -> Any:
        raise NotImplementedError


@pytest.fixture
def randomness(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[str, int], bytes]]:
    """Every random tensor that was drawn, by its kind and seed."""
    drawn: dict[tuple[str, int], bytes] = {}

    def note(kind: str, make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def made(first: Any, seed: int) -> torch.Tensor:
            tensor = make(first, seed)
            value = tensor.numpy().tobytes()
            assert drawn.setdefault((kind, seed), value) == value
            return tensor

        return made

    monkeypatch.setattr(drawing, "image_noise", note("noise", drawing.image_noise))
    monkeypatch.setattr(processor, "dummy_pixels", note("dummy", processor.dummy_pixels))
    return drawn


@pytest.fixture
def run(registered: None, adapter: CheersAdapter, tmp_path: Path) -> Callable[..., Rows]:
    def go(*, spy: Spied | None = None, out: str = "run", rearrange: Any = None, **fields: Any):
        models()._added["spied"] = lambda: spy or Spied(adapter)
        spec = RunSpec(
            tasks=tuple(TaskRef(task=name) for name in NAMES),
            model=ModelRef(name="spied"),
            out=str(tmp_path / out),
            **fields,
        )
        settings = EngineSettings(rearrange=rearrange) if rearrange else EngineSettings()
        execute(spec, settings=settings)
        return read(tmp_path / out)

    return go


def read(folder: Path) -> Rows:
    rows = {}
    for row in export_rows(folder):
        picture = row["image_path"] and np.asarray(Image.open(folder / row["image_path"]))
        rows[f"{row['task']}/{row['id']}"] = row | {"picture": picture}
    return rows


def apart(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def assert_equal_but_for_rounding(ours: Rows, theirs: Rows) -> None:
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        other = theirs[name]
        assert row["verdict"] == other["verdict"] == "ok", row["reason"]
        assert row["text"] == other["text"], name
        if row["picture"] is not None:
            assert apart(row["picture"], other["picture"]) <= LEVELS, name
        if row["loglikelihoods"] is not None:
            np.testing.assert_allclose(row["loglikelihoods"], other["loglikelihoods"], atol=NATS)


@pytest.fixture(scope="module")
def remembered() -> dict[str, Any]:
    return {}


@pytest.fixture
def one_by_one(
    run: Callable[..., Rows],
    randomness: dict[tuple[str, int], bytes],
    remembered: dict[str, Any],
) -> tuple[Rows, dict[tuple[str, int], bytes]]:
    if not remembered:
        remembered["rows"] = run(out="one-by-one", batch_size=1)
        remembered["randomness"] = dict(randomness)
        randomness.clear()
    return remembered["rows"], remembered["randomness"]


@pytest.mark.parametrize("batch_size", [4, 7, None])
def test_batch_size_changes_nothing(
    run: Callable[..., Rows], one_by_one: Any, randomness: Any, batch_size: Any
):
    rows = run(batch_size=batch_size)
    assert randomness == one_by_one[1]
    assert_equal_but_for_rounding(rows, one_by_one[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_order_changes_nothing(
    run: Callable[..., Rows], one_by_one: Any, randomness: Any, seed: int
):
    rows = run(batch_size=4, rearrange=lambda page: random.Random(seed).sample(page, len(page)))
    assert randomness == one_by_one[1]
    assert_equal_but_for_rounding(rows, one_by_one[0])


def test_an_interruption_changes_nothing(
    run: Callable[..., Rows], one_by_one: Any, adapter: CheersAdapter
):
    with pytest.raises(RunInterruptedError):
        run(batch_size=4, spy=Spied(adapter, interrupt_at=7))
    spy = Spied(adapter)
    rows = run(batch_size=4, spy=spy)
    asked = sum(len(call) for call in spy.calls)
    assert 0 < asked < sum(task.count for task in TASKS)
    assert_equal_but_for_rounding(rows, one_by_one[0])


def test_the_outputs_are_not_all_the_same(one_by_one: Any):
    rows = one_by_one[0]
    texts = {row["text"] for row in rows.values()}
    pictures = {row["image_sha256"] for row in rows.values()}
    assert len(texts) > 10
    assert len(pictures) == 1 + 18 + 9


def test_another_seed_changes_drawings(run: Callable[..., Rows], one_by_one: Any):
    rows = run(seed=1)
    drawings = [name for name in rows if name.startswith("mixed-drawings")]
    assert all(
        apart(rows[name]["picture"], one_by_one[0][name]["picture"]) > LEVELS for name in drawings
    )


def test_no_batch_mixes_decodings(run: Callable[..., Rows], adapter: CheersAdapter):
    spy = Spied(adapter)
    run(spy=spy, batch_size=7)
    for call in spy.calls:
        assert len({getattr(request, "decoding", None) for request in call}) == 1
        assert len({len(getattr(request, "images", ())) for request in call}) == 1
    assert max(map(len, spy.calls)) > 1
