"""reconstruction: identity is perfect, blur costs, the reader knows its limits."""

import pytest
from PIL import Image, ImageFilter

from harness.errors import SpecError
from harness.records import Response, Sample, Verdict, digest
from tasks.reconstruction import _SOURCES, Reconstruction, _original
from tasks.shapes.dataset import pixels
from tasks.shapes.reader import read_word
from tasks.shapes.world import render, word_sample
from tests.tasks.answers import result_of, values_of

TASK = Reconstruction({"images": 12})


def test_identity_is_perfect():
    values = values_of(result_of(TASK, lambda s: Response(image=_original(s))))
    assert values["psnr"] == 100
    assert values["ssim"] == pytest.approx(1)
    assert values["word_read"] == values["word_read_before"] == 1


def test_blur_costs_more_the_stronger_it_is():
    def blurred(radius: float):
        return lambda s: Response(image=_original(s).filter(ImageFilter.GaussianBlur(radius)))

    weak, strong = (values_of(result_of(TASK, blurred(r))) for r in (0.5, 3))
    assert weak["psnr"] > strong["psnr"]
    assert weak["ssim"] > strong["ssim"]
    assert weak["word_read"] > strong["word_read"]
    assert strong["word_read_before"] == 1


def test_a_tokenizer_of_its_own_size_is_compared_at_the_originals():
    def enlarged(sample: Sample) -> Response:
        return Response(image=_original(sample).resize((512, 512), Image.Resampling.LANCZOS))

    result = result_of(TASK, enlarged)
    values = values_of(result)
    assert values["psnr"] > 35
    assert values["ssim"] > 0.98
    assert values["word_read"] == values["word_read_before"] == 1
    assert {metric.n for metric in result.metrics if metric.name.startswith("word")} == {12}


def test_any_image_gets_all_scores(odd_image: Image.Image):
    word = next(s for s in TASK.samples() if s.category == "words")
    outcome = TASK.score(word, Response(image=odd_image))
    assert outcome.verdict is Verdict.OK
    assert set(outcome.scores) == {"psnr", "ssim", "word_read", "word_read_before"}
    assert outcome.scores["psnr"] < 30
    assert outcome.scores["word_read"] == 0
    assert outcome.details["size"] == list(odd_image.size)


def test_no_picture_is_a_failure_of_judging_not_a_zero():
    with pytest.raises(ValueError, match="no picture"):
        TASK.score(next(iter(TASK.samples())), Response(text="here you are"))


def test_more_pictures_than_there_are_is_refused_with_the_number():
    with pytest.raises(SpecError, match="1001") as caught:
        next(iter(Reconstruction({"images": 1001}).samples()))
    assert "1000" in caught.value.remedy


def test_its_identity_follows_all_three_sources():
    found = Reconstruction.metadata.dataset
    assert found.sha256 == digest([source.sha256 for source in _SOURCES], 64)
    assert len({source.sha256 for source in _SOURCES}) == 3
    assert all(source.name in found.name for source in _SOURCES)


def test_the_reader_reads_every_clean_word():
    samples = [word_sample(1, split, i) for split in ("train", "test") for i in range(100)]
    assert [read_word(render(s.scene)) for s in samples] == [s.answer for s in samples]


@pytest.mark.parametrize("size", [(64, 64), (10, 10)])
def test_the_reader_reads_nothing_off_blank_paper(size: tuple[int, int]):
    assert read_word(pixels(Image.new("RGB", size, (236, 236, 236)))) == ""


def test_kinds_take_turns_and_words_carry_their_reading():
    samples: list[Sample] = list(TASK.samples())
    assert [s.category for s in samples[:3]] == ["shapes", "words", "easy-vqa"]
    assert all((s.target is not None) == (s.category == "words") for s in samples)
