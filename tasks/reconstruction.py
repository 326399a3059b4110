"""`reconstruction`: what survives the model's own vision tokenizer and back.

PSNR and SSIM (Wang et al. 2004) of shapes, words and easy-VQA pictures, and whether the rendered
word can still be read. The reader compares each letter's cell with every letter of the world's
alphabet, so it is deterministic; its score on the untouched pictures is reported beside it.
A tokenizer with a size of its own is compared at the original's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import SpecError
from harness.records import (
    Capability,
    DatasetInfo,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    ReconstructRequest,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
    digest,
)
from harness.task import Task
from tasks.easy_vqa import EasyVQA
from tasks.shapes.dataset import CITATION, DATA_SEED, SPLIT, picture, pixels, world_dataset

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Reconstruction"]

_KINDS = ("shapes", "words", "easy-vqa")
_EASY_VQA_PICTURES = 1000
_SOURCES = (world_dataset("generation"), world_dataset("word"), EasyVQA.metadata.dataset)


class Reconstruction(Task):
    """Encode and decode pictures; compare pixels, and read words again."""

    metadata = TaskMetadata(
        name="reconstruction",
        summary="PSNR, SSIM and reading after a round trip through the vision tokenizer.",
        version=1,
        requires=frozenset({Capability.RECONSTRUCT}),
        inputs=(Modality.IMAGE,),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name="+".join(source.name for source in _SOURCES),
            revision="1",
            split=SPLIT,
            licence="Apache-2.0 AND MIT",
            sha256=digest([source.sha256 for source in _SOURCES], 64),
            source=", ".join(sorted({source.source for source in _SOURCES})),
        ),
        metrics=(
            MetricSpec(
                name="psnr",
                score="psnr",
                high=None,
                unit="dB",
                description="Peak signal-to-noise ratio; 100 dB where the pictures are equal.",
            ),
            MetricSpec(name="ssim", score="ssim", low=-1.0, description="Structural similarity."),
            MetricSpec(
                name="word_read", score="word_read", description="Words read after the round trip."
            ),
            MetricSpec(
                name="word_read_before",
                score="word_read_before",
                description="Words that the same reader reads on the untouched picture.",
            ),
            *(
                MetricSpec(name=f"psnr_{kind}", score="psnr", category=kind, high=None, unit="dB")
                for kind in _KINDS
            ),
        ),
        protocol_id="reconstruction/v1",
        citation=f"{CITATION} SSIM: Wang et al., IEEE TIP 2004.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"images": 60}

    def samples(self) -> Iterator[Sample]:
        """`images` pictures of each kind, kinds taking turns.

        Raises:
            SpecError: There aren't that many easy-VQA pictures.
            DataError: The easy-VQA package's files aren't those of version 1.0.
        """
        from tasks.easy_vqa import check_data
        from tasks.shapes.world import word_sample

        check_data()
        for index in range(self._images()):
            yield Sample(id=f"shapes-{index:05d}", category="shapes", data={"index": index})
            word = word_sample(DATA_SEED, SPLIT, index).answer
            yield Sample(
                id=f"words-{index:05d}", category="words", target=word, data={"index": index}
            )
            yield Sample(id=f"easy-vqa-{index:05d}", category="easy-vqa", data={"index": index})

    def request(self, sample: Sample, seed: int) -> ReconstructRequest:
        """The picture."""
        return ReconstructRequest(image=_original(sample), seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Compare with the original, at the original's size; there is no right and wrong.

        Raises:
            ValueError: There is no picture.
        """
        if response.image is None:
            raise ValueError("the response has no picture to compare")
        original, image = _original(sample), response.image
        restored = _at_size_of(original, image)
        scores = _similarity(pixels(original), pixels(restored))
        if sample.category == "words":
            scores |= _reading(str(sample.target), original, restored)
        return Outcome(verdict=Verdict.OK, scores=scores, details={"size": list(image.size)})

    def scorer(self) -> Identity:
        """PSNR, SSIM and the template reader."""
        return Identity(id="psnr-ssim-template-reader", version="1", settings={"resize": "lanczos"})

    def prompt_template(self) -> str:
        """There is no prompt."""
        return ""

    def _images(self) -> int:
        images = self.whole("images", 1)
        if images > _EASY_VQA_PICTURES:
            raise SpecError(
                f"{self.metadata.name}: option 'images' is {images}",
                f"easy-VQA's test split has {_EASY_VQA_PICTURES} pictures; give at most that",
            )
        return images


def _original(sample: Sample) -> Image:
    from tasks.easy_vqa import open_picture
    from tasks.shapes.world import generation_sample, word_sample

    index = int(str(sample.data["index"]))
    if sample.category == "easy-vqa":
        return open_picture(index)
    drawn: Any = (word_sample if sample.category == "words" else generation_sample)(
        DATA_SEED, SPLIT, index
    )
    return picture(drawn.scene)


def _at_size_of(original: Image, image: Image) -> Image:
    from PIL import Image as PILImage

    if image.size == original.size:
        return image
    return image.convert("RGB").resize(original.size, PILImage.Resampling.LANCZOS)


def _similarity(first: Any, second: Any) -> dict[str, float]:
    from tasks.scoring.images import psnr, ssim

    # Equal pictures have infinite PSNR, which no mean survives.
    return {"psnr": min(psnr(first, second), 100.0), "ssim": ssim(first, second)}


def _reading(word: str, before: Image, after: Image) -> dict[str, float]:
    from tasks.shapes.reader import read_word

    return {
        "word_read_before": float(read_word(pixels(before)) == word),
        "word_read": float(read_word(pixels(after)) == word),
    }
