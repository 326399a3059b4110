"""From a model's drawing to a verdict: drawn, exported, imported, judged; and photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.agreement import measure_agreement
from harness.ledger import Ledger
from harness.records import Identity
from harness.run import execute, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.cheers.embedded import NANO_FOLDER
from tasks.geneval.export import export_geneval
from tasks.judges import Instances, encode_mask, mask_box
from tasks.judges.clip_colors import ClipColors
from tasks.judges.coco import GENEVAL_CLASSES
from tasks.judges.mask2former.transformers_backend import TransformersMask2Former
from tasks.scoring.geneval import COLORS
from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
from tasks.shapes.world import generation_sample
from tests.geneval.fakes import (
    CodeColors,
    CodeDetector,
    installed,
    official_folder,
    outcomes_of,
    prompt_file,
    result_of,
    run_geneval,
)
from tests.judges.clip_toys import TINY
from tests.judges.mask2former_toys import stir, tiny_transformers_config

CLASSICAL = {"detector": "classical", "color_judge": "classical", "device": "cpu"}

needs_nano = pytest.mark.skipif(
    not (NANO_FOLDER / "config.json").is_file(), reason="no embedded weights; `make train-nano`"
)


def draw(out: Path, model: str, **args: object) -> None:
    execute(
        RunSpec(
            tasks=(TaskRef(task="shapes-geneval", options={"prompts": 3, "images": 2}),),
            model=ModelRef(name=model, args=args),
            out=str(out),
        )
    )


def prompts_of(exported: Path) -> Path:
    """One file with the prompts of an exported folder, in its order."""
    lines = [path.read_text() for path in sorted(exported.glob("*/metadata.jsonl"))]
    path = exported.with_suffix(".jsonl")
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@needs_nano
def test_the_nanos_drawings_are_judged_alike_in_both_tasks(tmp_path: Path):
    """Drawn for `shapes-geneval`, exported, and judged once more as somebody else's folder."""
    draw(tmp_path / "drawn", "cheers-nano", steps=8, device="cpu")
    assert "36 images" in export_geneval(tmp_path / "drawn", tmp_path / "exported")
    prompts = prompts_of(tmp_path / "exported")
    result = run_geneval(
        tmp_path / "judged", "recorded", tmp_path / "exported", prompts, **CLASSICAL
    )
    assert result.total == 36
    assert set(result.verdicts) <= {"ok", "wrong"}
    assert outcomes_of(tmp_path / "judged") == outcomes_of(tmp_path / "drawn", "shapes-geneval")
    before = outcomes_of(tmp_path / "judged")
    rescore(tmp_path / "judged")
    assert outcomes_of(tmp_path / "judged") == before
    assert result_of(tmp_path / "judged") == result


def test_perfect_drawings_are_right(tmp_path: Path):
    samples = [generation_sample(DATA_SEED, SPLIT, index) for index in range(60)]
    folder = tmp_path / "images"
    for index, sample in enumerate(samples):
        place = folder / f"{index:05d}" / "samples"
        place.mkdir(parents=True)
        picture(sample.scene).save(place / "00000.png")
    prompts = prompt_file(tmp_path, [dict(sample.metadata) for sample in samples])
    args = {"accept": "unlabelled"}
    options = {**CLASSICAL, "images": 1, "args": args}
    result = run_geneval(tmp_path / "run", "recorded", folder, prompts, **options)
    assert result.verdicts == {"ok": 60}
    assert [metric.value for metric in result.metrics] == [1.0] * len(result.metrics)


PHOTOS = {
    "astronaut": "person",
    "chelsea": "cat",
    "coffee": "cup",
    "motorcycle_left": "motorcycle",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photographs of scikit-image in the official layout, and their prompts."""
    import skimage.data

    source = Path(skimage.data.__file__).parent
    root = tmp_path_factory.mktemp("photos")
    records = []
    for name in PHOTOS.values():
        clause = {"class": name, "count": 1}
        records += [
            {"tag": "single_object", "include": [clause], "prompt": f"a photo of a {name}"},
            {
                "tag": "colors",
                "include": [{**clause, "color": "orange"}],
                "prompt": f"a photo of an orange {name}",
            },
        ]
    for index, record in enumerate(records):
        (root / "images" / f"{index:05d}" / "samples").mkdir(parents=True)
        (root / "images" / f"{index:05d}" / "metadata.jsonl").write_bytes(
            json.dumps(record).encode()
        )
        with Image.open(source / f"{list(PHOTOS)[index // 2]}.png") as opened:
            photo = opened.convert("RGB").resize((224, 224), Image.Resampling.LANCZOS)
        photo.save(root / "images" / f"{index:05d}" / "samples" / "00000.png")
    return root / "images", prompt_file(root, records)


class Salient(CodeDetector):
    """Finds, in the photograph it is shown, the pixels that stand out, and knows their names."""

    def __init__(self, known: dict[bytes, str]) -> None:
        super().__init__()
        self._known = known

    def _one(self, image: np.ndarray) -> dict[str, Instances]:
        grey = image.mean(axis=2)
        mask = np.abs(grey - np.median(grey)) > 40
        box = np.array([mask_box(mask)], np.float32)
        found = Instances(
            boxes=box, scores=np.array([0.97], np.float32), masks=(encode_mask(mask),)
        )
        return {self._known[image[::37, ::37].tobytes()]: found}


class Blind(CodeDetector):
    def _one(self, image: np.ndarray) -> dict[str, Instances]:
        return {}


def known_photos(folder: Path) -> dict[bytes, str]:
    known = {}
    for index, name in enumerate(name for name in PHOTOS.values() for _ in range(2)):
        with Image.open(folder / f"{index:05d}" / "samples" / "00000.png") as photo:
            known[np.asarray(photo)[::37, ::37].tobytes()] = name
    return known


def test_photographs_with_masks_and_a_real_clip_of_random_weights(
    photos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, prompts = photos
    colors = ClipColors("random:1", architecture=TINY)
    with installed(monkeypatch, Salient(known_photos(folder)), colors):
        result = run_geneval(tmp_path / "run", "recorded", folder, prompts, images=1)
        before = outcomes_of(tmp_path / "run")
        rescore(tmp_path / "run")
        assert outcomes_of(tmp_path / "run") == before
    assert result.total == 8
    assert set(result.verdicts) <= {"ok", "wrong"}
    with Ledger.open(tmp_path / "run") as ledger:
        rows = list(ledger.scored("geneval"))
    for row in rows:
        (seen,) = row.outcome.details["detections"]
        assert ("color" in seen) == (row.sample.category == "colors")
        assert seen.get("color", "red") in COLORS
        right = row.sample.category == "single_object" or seen["color"] == "orange"
        assert (row.outcome.verdict.value == "ok") == right


def test_photographs_through_a_mask2former_of_random_weights(
    photos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Verdicts are those of the pure rules on what the network says, whatever the batch."""
    folder, prompts = photos
    detector = TransformersMask2Former("random:0", config=tiny_transformers_config())
    stir(detector.model.state_dict())
    detector.model.state_dict()["class_predictor.weight"].mul_(20)  # sure of itself
    colors = ClipColors("random:1", architecture=TINY)
    with installed(monkeypatch, detector, colors):
        for batch in (1, 8):
            run_geneval(
                tmp_path / str(batch), "recorded", folder, prompts, images=1, judge_batch=batch
            )
    verdicts = outcomes_of(tmp_path / "1")
    assert verdicts == outcomes_of(tmp_path / "8")
    assert {verdict for verdict, _ in verdicts.values()} <= {"ok", "wrong"}
    with Ledger.open(tmp_path / "8") as ledger:
        seen = [row.outcome.details["detections"] for row in ledger.scored("geneval")]
    assert any(seen)  # it does find things, if not the right ones
    assert {one["class"] for found in seen for one in found} <= set(GENEVAL_CLASSES)


@pytest.mark.slow
def test_photographs_through_the_whole_network_by_its_options(
    photos: tuple[Path, Path], tmp_path: Path
):
    """The official sizes, random weights: Mask2Former Swin-S and CLIP ViT-L/14."""
    folder, prompts = photos
    options = {"detector_weights": "random:0", "color_weights": "random:0", "device": "cpu"}
    result = run_geneval(tmp_path / "run", "recorded", folder, prompts, images=1, **options)
    assert result.total == 8
    assert set(result.verdicts) <= {"ok", "wrong"}


def test_two_judges_of_the_same_photographs(
    photos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, prompts = photos
    salient = Salient(known_photos(folder))
    with installed(monkeypatch, salient, CodeColors()):
        run_geneval(tmp_path / "first", "recorded", folder, prompts, images=1)
    with installed(monkeypatch, Blind(), CodeColors()):
        run_geneval(tmp_path / "second", "recorded", tmp_path / "first", prompts, images=1)
    (task,) = measure_agreement(tmp_path / "first", tmp_path / "second").tasks
    assert task.samples == 8
    assert task.counts["ok/wrong"] == len(task.disagreements) == 4
    assert {one.category for one in task.disagreements} == {"single_object"}


def test_resumed_runs_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A judge that dies half-way: what it scored is kept, and the rest comes out the same."""
    folder, prompts = official_folder(tmp_path / "images"), prompt_file(tmp_path)

    class Dying(CodeDetector):
        def detect(self, images: list[np.ndarray]) -> list:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().detect(images)

        def identity(self) -> Identity:
            return Identity(id="code", version="1")

    from harness.errors import RunInterruptedError

    with installed(monkeypatch, Dying(), CodeColors()), pytest.raises(RunInterruptedError):
        run_geneval(tmp_path / "run", "recorded", folder, prompts, judge_batch=2)
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        resumed = run_geneval(tmp_path / "run", "recorded", folder, prompts, judge_batch=2)
        whole = run_geneval(tmp_path / "whole", "recorded", folder, prompts, judge_batch=2)
    assert resumed == whole
    assert outcomes_of(tmp_path / "run") == outcomes_of(tmp_path / "whole")
