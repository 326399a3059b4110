"""reconstruction: identity is perfect, blur costs, the reader knows its limits."""

import pytest
from PIL import Image, ImageFilter

from harness.records import Response, Sample, Verdict
from tasks.reconstruction import Reconstruction, _original
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


def test_another_size_is_wrong_and_named():
    sample = next(iter(TASK.samples()))
    outcome = TASK.score(sample, Response(image=Image.new("RGB", (32, 64))))
    assert outcome.verdict is Verdict.WRONG
    assert "(32, 64)" in outcome.reason


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
