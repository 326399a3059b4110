from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from model_adapters.cheers.images import (
    dummy_pixels,
    for_generation,
    for_understanding,
    to_image,
    to_pixels,
)
from model_adapters.cheers.processor import CheersProcessor
from model_adapters.cheers.prompt import PromptForm
from model_adapters.cheers.sequence import LayoutError, count_images
from model_adapters.cheers.template import Message, render
from tests.cheers.conftest import SPECIAL


def plain(width: int, height: int, colour: tuple[int, int, int] = (255, 0, 51)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (7, 3), (16, 16), (1, 900)])
def test_understanding_fits_and_pads_with_black(size: tuple[int, int]) -> None:
    pixels = for_understanding(plain(*size), 16)
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == torch.float32
    inside = pixels[0] > 0.5
    assert int(inside.any(0).sum()) == 16 or int(inside.any(1).sum()) == 16
    torch.testing.assert_close(pixels[2][inside], torch.full_like(pixels[2][inside], 0.2))
    rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
    for span in (rows, columns):
        assert abs(int(span[0]) - (15 - int(span[-1]))) <= 1


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (7, 3), (16, 16)])
def test_generation_crops_the_centre(size: tuple[int, int]) -> None:
    pixels = for_generation(plain(*size), 16)
    assert pixels.shape == (3, 16, 16)
    torch.testing.assert_close(pixels[0], torch.ones(16, 16))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert for_understanding(plain(9, 5).convert(mode), 16).shape == (3, 16, 16)


def test_pixels_and_images_round_trip() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(to_image(to_pixels(Image.fromarray(values)))), values)
    assert to_image(torch.full((3, 1, 1), 1.7)).getpixel((0, 0)) == (255, 255, 255)


def test_a_question_about_images(processor: CheersProcessor) -> None:
    prompt = processor.answer_prompt("Which?", [plain(4, 4), plain(8, 4)])
    text = processor.tokenizer.decode(
        [token for token in prompt.ids if token >= 0], skip_special=False
    )
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<im_start><im_end>\n<im_start><im_end>\nWhich?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert count_images(prompt.ids, SPECIAL) == 2
    assert prompt.dummy is None
    assert len(prompt.images) == 2


def test_prompt_forms(processor: CheersProcessor) -> None:
    first, second = (processor.answer_prompt("Hi", seed=seed) for seed in (1, 2))
    assert first.ids == second.ids
    assert not torch.equal(first.dummy, second.dummy)
    assert torch.equal(first.dummy, processor.answer_prompt("Hi", seed=1).dummy)
    fixed = [processor.answer_prompt("Hi", seed=s, form="fixed-dummy").dummy for s in (1, 2)]
    assert torch.equal(*fixed)
    assert processor.answer_prompt("Hi", form=PromptForm.NO_DUMMY).dummy is None
    with pytest.raises(ValueError, match="noisy"):
        processor.answer_prompt("Hi", form="noisy")


def test_an_instruction_to_draw_ends_where_the_image_begins(processor: CheersProcessor) -> None:
    asked, drawn = processor.answer_prompt("A cat"), processor.image_prompt("A cat")
    assert list(drawn.ids) == [*asked.ids, SPECIAL.im_start]
    edit = processor.image_prompt("Make it red", [plain(4, 4)])
    assert edit.dummy is None
    assert len(edit.pixels) == 1


def test_a_text_that_quotes_the_placeholder_is_an_error(processor: CheersProcessor) -> None:
    with pytest.raises(LayoutError, match="1 <image> placeholders but 0 images"):
        processor.answer_prompt("What does <image> mean?")


def test_decode_leaves_tokens_with_a_meaning_out(processor: CheersProcessor) -> None:
    ids = [SPECIAL.im_start, *processor.tokenizer.encode("né"), SPECIAL.chat_end_eos]
    assert processor.decode(ids) == "né"


def test_a_system_line_of_ones_own_replaces_the_default() -> None:
    text = render([Message(role="system", content="Be brief.")], open_answer=False)
    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n"


def test_dummy_does_not_touch_global_random_state() -> None:
    before = torch.get_rng_state()
    dummy = dummy_pixels(16, 3)
    assert dummy.shape == (3, 16, 16)
    assert 0.3 < float(dummy.mean()) < 0.7
    assert torch.equal(before, torch.get_rng_state())
