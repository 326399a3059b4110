"""Explanations: kept only where the model does what it did in the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from harness.adapter import Explanation, ModelAdapter
from harness.artefacts import artefacts_of, write_artefact
from harness.cli.main import main
from harness.errors import CapabilityError, LedgerError, ProtocolMismatchError, UnknownNameError
from harness.explaining import explain_run
from harness.ledger import Ledger
from harness.records import (
    Capability,
    Fingerprint,
    GenerateImageRequest,
    ModelCard,
    Request,
    Response,
    Sample,
)
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef

TASK = "shapes-geneval"


class Painter(ModelAdapter):
    """Fills pictures with a colour of the seed; class attributes are what tests change."""

    card = ModelCard(
        name="painter",
        summary="A toy.",
        capabilities=frozenset({Capability.GENERATE_IMAGE}),
        licence="CC0-1.0",
        source="tests",
    )
    weights = "w0"
    shift = 0
    size = 8
    closed = 0

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="painter",
            adapter="tests:Painter",
            code_version="1",
            weights_sha256=self.weights,
            config={"sizes": (8, 8)},
            defaults={},
            dtype="float32",
            device="cpu",
        )

    def _paint(self, request: Request) -> Image.Image:
        return Image.new("RGB", (self.size, 8), (request.seed % 200 + self.shift, 40, 40))

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        return [Response(image=self._paint(request)) for request in requests]

    def explain(self, request: Request) -> Explanation:
        pictures = {"heat maps": Image.new("L", (16, 4), 7), "denoising": Image.new("L", (9, 9))}
        return Explanation(Response(image=self._paint(request)), pictures)

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(models()._added)
    models().add("painter", Painter)
    monkeypatch.setattr(Painter, "closed", 0)
    yield
    models()._added = before


@pytest.fixture
def run(tmp_path: Path) -> Path:
    spec = RunSpec(
        tasks=(TaskRef(task=TASK),),
        model=ModelRef(name="painter"),
        limit=6,
        out=str(tmp_path / "run"),
    )
    execute(spec)
    Painter.closed = 0
    return Path(spec.out)


def _samples(run: Path) -> list[Sample]:
    with Ledger.open(run) as ledger:
        return [entry.sample for entry in ledger.entries(TASK)]


def test_pictures_stand_beside_the_first_samples(run: Path):
    done = explain_run(run, TASK, count=2)
    assert (done.samples, done.pictures, done.notes) == (2, 4, ())
    counts = [len(artefacts_of(run, TASK, sample)) for sample in _samples(run)]
    assert counts == [2, 2, 0, 0, 0, 0]
    assert [p.stem for p in artefacts_of(run, TASK, _samples(run)[0])] == ["denoising", "heat-maps"]
    assert Painter.closed == 1


def test_samples_can_be_named(run: Path):
    named = _samples(run)[4]
    assert explain_run(run, TASK, samples=(named.id,)).samples == 1
    assert len(artefacts_of(run, TASK, named)) == 2 * (named.k == 0)
    with pytest.raises(UnknownNameError, match="no sample"):
        explain_run(run, TASK, samples=("nonsense",))


def test_explaining_again_replaces(run: Path):
    explain_run(run, TASK, count=1)
    explain_run(run, TASK, count=1)
    assert len(list((run / "artefacts").rglob("*"))) == 4


def test_rounding_is_no_difference_and_another_picture_is(
    run: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Painter, "shift", 5)
    assert explain_run(run, TASK, count=1).samples == 1
    monkeypatch.setattr(Painter, "shift", 20)
    done = explain_run(run, TASK, count=1)
    assert done.samples == 0
    assert "differs by 6.7 levels" in done.notes[0]
    monkeypatch.setattr(Painter, "size", 9)
    assert "something else" in explain_run(run, TASK, count=1).notes[0]


def test_another_model_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Painter, "weights", "w1")
    with pytest.raises(ProtocolMismatchError, match="weights_sha256 differ"):
        explain_run(run, TASK)
    assert not (run / "artefacts").exists()


def test_another_request_is_left_out(run: Path, monkeypatch: pytest.MonkeyPatch):
    from tasks.shapes.geneval import ShapesGenEval

    made = ShapesGenEval.request

    def other(task: ShapesGenEval, sample: Sample, seed: int) -> Request:
        return made(task, sample, seed + 1)

    monkeypatch.setattr(ShapesGenEval, "request", other)
    assert "another request" in explain_run(run, TASK, count=1).notes[0]


def test_a_lost_picture_is_named(run: Path):
    with Ledger.open(run) as ledger:
        entry = next(iter(ledger.entries(TASK)))
    (run / entry.response.image_path).unlink()
    assert "can't be read" in explain_run(run, TASK, count=1).notes[0]


def test_models_without_explanations_say_so(tmp_path: Path):
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-ocr"),),
        model=ModelRef(name="null"),
        limit=1,
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with pytest.raises(CapabilityError, match="no pictures about how it serves 'answer'"):
        explain_run(Path(spec.out), "shapes-ocr")


def test_unknown_tasks_and_folders(run: Path, tmp_path: Path):
    with pytest.raises(UnknownNameError, match=TASK):
        explain_run(run, "shapes-genevil")
    with pytest.raises(LedgerError, match="not a run folder"):
        explain_run(tmp_path / "no", TASK)


def test_the_command(run: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["explain", str(run), "--task", TASK, "-n", "3"])
    assert not caught.value.code
    assert capsys.readouterr().out == f"wrote 6 pictures about 3 samples of {TASK}\n"


def test_names_of_artefacts_are_safe(tmp_path: Path):
    sample = Sample(id="../../evil", k=3)
    path = write_artefact(tmp_path, "a/b", sample, "../../x y", Image.new("RGB", (2, 2)))
    assert path.resolve().is_relative_to(tmp_path / "artefacts")
    assert artefacts_of(tmp_path, "a/b", sample) == [path]
    assert artefacts_of(tmp_path, "a/b", Sample(id="other")) == []
