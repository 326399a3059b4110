"""The colour stage of GenEval: all crops of a batch together, against one image at a time.

The reference works as the original evaluation does: for every image and class a new data loader
with four worker processes, batches of at most 16 crops, prompts embedded once per class.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.ratios import compare
from tasks.geneval.judging import judge_images
from tasks.judges import Crop, decode_mask, encode_mask
from tasks.judges.clip_colors import TEMPLATES, ClipColors
from tasks.scoring.geneval import Judgement
from tasks.scoring.geneval.metadata import COLORS, PromptSpec, parse_prompt

pytestmark = [
    pytest.mark.bench,
    # Worker processes fork while torch's threads exist, as they do in the original.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]

CONFIG: dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {
        "image_size": 224,
        "layers": 6,
        "width": 256,
        "patch_size": 32,
        "head_width": 64,
    },
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 128,
        "heads": 4,
        "layers": 2,
    },
}
IMAGES, OBJECTS, SIDE, ROUNDS = 40, 2, 512, 3
LABELS = ("cow", "tv remote", "dog")


class _Crops(Dataset[torch.Tensor]):
    def __init__(self, judge: ClipColors, objects: list[Crop]) -> None:
        self.judge, self.objects = judge, objects

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> torch.Tensor:
        crop = self.objects[index]
        image = Image.fromarray(crop.image)
        if crop.mask is not None:
            grey = Image.new("RGB", image.size, color="#999")
            image = Image.composite(image, grey, Image.fromarray(decode_mask(crop.mask)))
        return self.judge.network.prepare(image.crop(tuple(crop.box.tolist())))


class OneImageAtATime:
    """The original's way of working."""

    def __init__(self, judge: ClipColors) -> None:
        self.judge = judge
        self.classifiers: dict[str, torch.Tensor] = {}

    def classifier(self, label: str) -> torch.Tensor:
        if label not in self.classifiers:
            texts = [[t.format(color=c, label=label) for t in TEMPLATES] for c in COLORS]
            rows = [F.normalize(self.judge.network.encode_texts(t).mean(0), dim=0) for t in texts]
            self.classifiers[label] = torch.stack(rows, 1)
        return self.classifiers[label]

    def classify(self, objects: list[Crop]) -> list[str]:
        classifier = self.classifier(objects[0].label)
        loader = DataLoader(_Crops(self.judge, objects), batch_size=16, num_workers=4)
        logits = [100 * self.judge.network.encode_images(pixels) @ classifier for pixels in loader]
        return [COLORS[int(index)] for index in torch.cat(logits).argmax(1)]


def colored_objects() -> list[list[Crop]]:
    """Objects of each image of 512 x 512 pixels; those of one image share class and picture."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    groups = []
    for number in range(IMAGES):
        picture = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        groups.append([_object(picture, LABELS[number % 3], x, y, rng) for _ in range(OBJECTS)])
    return groups


def _object(picture: Any, label: str, x: Any, y: Any, rng: np.random.Generator) -> Crop:
    """An ellipse of one colour, drawn into the picture, with its box and mask."""
    width, height = rng.uniform(40, 120, 2)
    left, top = rng.uniform(0, SIDE - 2 * width), rng.uniform(0, SIDE - 2 * height)
    inside = ((x - left - width) / width) ** 2 + ((y - top - height) / height) ** 2 < 1
    picture[inside] = rng.integers(0, 256, 3)
    box = np.array([left, top, left + 2 * width, top + 2 * height], np.float32)
    return Crop(image=picture, label=label, box=box, mask=encode_mask(inside))


def _label(group: list[Crop]) -> str:
    return group[0].label


@pytest.mark.parametrize(
    ("architecture", "least"),
    [pytest.param(CONFIG, 2.0, id="small"), pytest.param("ViT-B-32", 2.0, id="ViT-B-32")],
)
def test_crops_together_are_faster_than_one_image_at_a_time(
    benchmark: BenchmarkFixture, architecture: str | dict[str, Any], least: float
):
    judge = ClipColors("random:1", architecture=architecture)
    reference, groups = OneImageAtATime(judge), colored_objects()
    for label in LABELS:  # prompts are not timed
        reference.classifier(label)

    def apart() -> list[str]:
        return [label for group in groups for label in reference.classify(group)]

    def together() -> list[str]:
        return judge.classify([crop for group in groups for crop in group])

    labels = together()
    assert labels == apart()
    assert len(set(labels)) > 1
    ratio = compare(benchmark, together, apart, rounds=ROUNDS)
    print(f"\ncolour stage, {IMAGES} images of {OBJECTS} objects: {ratio}")
    assert ratio.median >= least


def test_the_whole_of_judging_is_reported(benchmark: BenchmarkFixture):
    """Detection and colours with one detector and one CLIP, as the original and as we do it.

    Nearly all of it is detection, which is equal work, so only equal verdicts are demanded and that
    it isn't far slower.
    """
    from tasks.judges.mask2former.transformers_backend import TransformersMask2Former
    from tests.judges.mask2former_toys import photographs, stir, tiny_transformers_config

    detector = TransformersMask2Former("random:0", config=tiny_transformers_config())
    with torch.no_grad():
        stir(detector.model.state_dict())
    judge = ClipColors("random:1", architecture=CONFIG)
    reference, images = OneImageAtATime(judge), photographs() * 4
    specs = [_asks_for_colors(found) for found in detector.detect(photographs())] * 4
    for label in {spec.include[0].class_name for spec in specs}:  # prompts are not timed
        reference.classifier(label)

    def apart() -> list[Judgement]:
        return [
            judge_images([spec], [image], detector, lambda: _OneByOne(reference))[0].judgement
            for spec, image in zip(specs, images, strict=True)
        ]

    def together() -> list[Judgement]:
        return [one.judgement for one in judge_images(specs, images, detector, lambda: judge)]

    assert together() == apart()
    ratio = compare(benchmark, together, apart, rounds=ROUNDS)
    print(f"\nwhole of judging, {len(images)} photographs: {ratio}")
    assert ratio.median > 0.6


class _OneByOne:
    """The reference behind the interface of a colour judge: one class after the other."""

    def __init__(self, reference: OneImageAtATime) -> None:
        self.reference = reference

    def identity(self) -> Any:
        raise NotImplementedError

    def classify(self, objects: Any) -> list[str]:
        labels: list[str] = []
        for _, same in groupby(objects, key=lambda crop: crop.label):
            labels += self.reference.classify(list(same))
        return labels


def _asks_for_colors(found: Any) -> PromptSpec:
    """A record that asks for the colour of the best-scored class."""
    label = max(found, key=lambda name: float(found[name].scores.max()))
    return parse_prompt(
        {
            "tag": "colors",
            "include": [{"class": label, "count": 1, "color": "red"}],
            "prompt": f"a photo of a red {label}",
        }
    )
