"""Prompts quote their texts, follow from their numbers, and files are read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.hashing import hash_file
from harness.errors import DataError, SpecError
from tasks.ocr.lettering import clean_render, drawable, font, text_width
from tasks.ocr.pages import LAYOUTS, MIN_SIDE, SIZES, draw_page, page
from tasks.ocr.prompts import KINDS, DrawnTexts, FileTexts, WorldTexts
from tasks.ocr.words import LONG_WORDS, MIDDLE_WORDS, SHORT_WORDS, Dice

DRAWN = list(DrawnTexts(40, 0).prompts())


def of_kind(kind: str) -> list[str]:
    return [one.text for one in DRAWN if one.category == kind]


def test_every_prompt_quotes_its_text():
    assert all(f'"{one.text}"' in one.prompt for one in DRAWN)
    assert [one.category for one in DRAWN[:12]] == [*KINDS, *KINDS]
    assert all(drawable(one.text) for one in DRAWN)


def test_kinds_are_what_they_say():
    assert all(3 <= len(text) <= 6 and text.isalpha() for text in of_kind("short_word"))
    assert all(len(text) >= 8 and text.isalpha() for text in of_kind("long_word"))
    assert {len(text.split()) for text in of_kind("words")} == {2, 3, 4}
    assert all(len(text.split()) == 7 and text.startswith("The ") for text in of_kind("sentence"))
    digits = of_kind("digits")
    assert all(text.isdigit() and text[0] != "0" for text in digits)
    assert {len(text) for text in digits} == {2, 3, 4, 5, 6}
    mixed = of_kind("mixed_case")
    assert all(" " not in text and text not in (text.lower(), text.title()) for text in mixed)


def test_capitals_vary():
    words = of_kind("short_word")
    assert any(text.isupper() for text in words)
    assert any(text.islower() for text in words)
    assert any(text.istitle() for text in words)


def test_a_prompt_is_a_function_of_seed_and_number():
    assert list(DrawnTexts(3, 0).prompts()) == DRAWN[: 3 * len(KINDS)]
    assert list(DrawnTexts(3, 1).prompts()) != DRAWN[: 3 * len(KINDS)]
    sums = {DrawnTexts(n, seed).dataset().sha256 for n in (3, 4) for seed in (0, 1)}
    assert len(sums) == 4


def test_the_default_prompts_are_pinned():
    """Whoever changes a prompt has to raise the revision."""
    found = DrawnTexts(20, 0).dataset()
    assert (found.revision, found.sha256) == ("1", PINNED)


PINNED = "1ac7faeb452218558e036b0d9fd39d6263d09ea0593ec5636a31bf82aa51d3f1"


def test_world_words_are_the_readers():
    from tasks.shapes.world.words import words_of

    texts = [one.text for one in WorldTexts(30, 0).prompts()]
    assert set(texts) <= set(words_of("test"))
    assert len(set(texts)) > 20


def test_word_lists_keep_their_lengths_and_have_no_doubles():
    for words, low, high in ((SHORT_WORDS, 3, 6), (MIDDLE_WORDS, 6, 7), (LONG_WORDS, 8, 13)):
        assert {low <= len(word) <= high for word in words} == {True}
        assert len(set(words)) == len(words)
        assert all(word.isascii() and word.islower() and word.isalpha() for word in words)


def test_dice_are_fair_enough():
    dice = Dice(0, "fair")
    counts = [0] * 6
    for _ in range(6000):
        counts[dice.below(6)] += 1
    assert all(900 < count < 1100 for count in counts)


# ---- files


def write(path: Path, *rows: object) -> Path:
    path.write_text(
        "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    )
    return path


def test_a_users_file_is_read_with_its_categories(tmp_path: Path):
    path = write(
        tmp_path / "mine.jsonl",
        {"prompt": "a cafe sign", "text": "Café", "category": "accents"},
        "",
        {"prompt": "a door", "text": "开"},
    )
    source = FileTexts(str(path), hash_file(path))
    assert [one.text for one in source.prompts()] == ["Café", "开"]
    assert [one.category for one in source.prompts()] == ["accents", "file"]
    assert source.dataset().sha256 == hash_file(path)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{", "line 2"),
        ({"prompt": "a"}, "missing required field `text`"),
        ({"prompt": "a", "text": 3}, "Expected `str`"),
        ({"prompt": "a", "text": " \n"}, "line 2: 'text' is empty"),
        ({"prompt": "", "text": "a"}, "line 2: 'prompt' is empty"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, row: object, fault: str):
    path = write(tmp_path / "bad.jsonl", {"prompt": "a", "text": "b"}, row)
    with pytest.raises(SpecError, match=fault) as caught:
        list(FileTexts(str(path), "").prompts())
    assert "bad.jsonl, line 2" in caught.value.what
    assert '"prompt"' in caught.value.remedy


def test_bytes_that_are_no_text_are_named(tmp_path: Path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"prompt": "a", "text": "\xff"}\n')
    with pytest.raises(SpecError, match="line 1"):
        list(FileTexts(str(path), "").prompts())


def test_an_empty_or_absent_or_other_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no prompts"):
        list(FileTexts(str(write(tmp_path / "empty.jsonl", "")), "").prompts())
    with pytest.raises(DataError, match="there is no prompt file"):
        list(FileTexts(str(tmp_path / "absent.jsonl"), "").prompts())
    path = write(tmp_path / "other.jsonl", {"prompt": "a", "text": "b"})
    with pytest.raises(DataError, match="is asked for"):
        FileTexts(str(path), "0" * 64).dataset()


# ---- lettering and pages


def ink_box(picture: object) -> tuple[int, int, int, int]:
    from PIL import ImageChops, ImageOps

    grey = picture.convert("L")  # type: ignore[attr-defined]
    paper = grey.getpixel((0, 0))
    return ImageChops.difference(grey, ImageOps.posterize(grey.point(lambda _: paper), 8)).getbbox()


@pytest.mark.parametrize("text", ["A", "OPEN", "The old baker waits beside the window", "1" * 12])
@pytest.mark.parametrize("size", [(64, 64), (512, 512), (300, 90), (90, 300)])
def test_clean_renders_keep_their_text_inside(text: str, size: tuple[int, int]):
    left, top, right, bottom = ink_box(clean_render(text, *size))
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    if len(text) < 12:
        assert left > 0
        assert right < size[0]


def test_hostile_sizes_are_rendered():
    for size in ((1, 1), (8000, 50), (2, 3000)):
        assert clean_render("OPEN", *size).size == size


def test_what_the_font_lacks_is_known():
    assert drawable("Hello, World! 0123456789 ~")
    assert not drawable("é")
    assert not drawable("a 开")


def test_widths_grow_with_text_and_size():
    assert text_width("ab", 20) > text_width("a", 20) > text_width("a", 10)
    assert font(20).layout_engine == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [MIN_SIDE, 512])
def test_pages_lie_inside_the_picture(size: int, side: int):
    for number in range(6):
        one = page(size, number, side)
        assert one.layout == LAYOUTS[number % 3]
        assert all(one.lines)
        left, top, right, bottom = ink_box(draw_page(one, side))
        assert 0 < left < right < side
        assert 0 < top < bottom < side


def test_pages_have_the_size_they_say():
    heights = []
    for size in SIZES:
        one = page(size, 1, 512)._replace(lines=("HHH",))
        _, top, _, bottom = ink_box(draw_page(one, 512))
        heights.append((bottom - top) / size)
    assert all(0.6 < share < 0.9 for share in heights)


def test_layouts_differ():
    counts = {layout: set() for layout in LAYOUTS}
    for number in range(30):
        one = page(16, number, 512)
        counts[one.layout].add(len(one.lines))
    assert counts == {"page": {6}, "line": {1}, "sign": {1, 2}}
