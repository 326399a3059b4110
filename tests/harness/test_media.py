"""Picture files: names for hostile ids, hashes, atomic writes, origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.errors import LedgerError
from harness.media import (
    ImageOrigin,
    image_file,
    is_whole_png,
    pixel_hash,
    read_origin,
    read_png,
    safe_name,
    write_bytes,
    write_png,
)
from tests.harness.toys import noise

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows",
    "a/b",
    "a\\b",
    "A",
    "a",
    "a.",
    "con",
    "nul.png",
    "x" * 5000,
    "\x00",
    "a\nb",
    "日本語",
    "\u202egnp.exe",
    "\ud800",
    "~",
    "a~b",
    "-rf",
]


def origin(**changes: Any) -> ImageOrigin:
    fields = {"task": "t", "sample": "s", "k": 0, "seed": 1, "model": "m", "prompt_sha256": "0"}
    return ImageOrigin(**{**fields, **changes})


def test_hostile_names_are_distinct_and_stay_in_the_folder(tmp_path: Path):
    names = [safe_name(text) for text in HOSTILE]
    assert len({name.lower() for name in names}) == len(HOSTILE)
    for name in names:
        path = (tmp_path / name).resolve()
        assert path.parent == tmp_path.resolve()
        assert name.isascii()
        assert len(name) < 100
        path.write_bytes(b"")  # the file system takes it


@given(st.text(), st.text())
def test_no_two_texts_share_a_name(a: str, b: str):
    assert (safe_name(a) == safe_name(b)) == (a == b)


@given(st.text(max_size=5), st.integers(0, 20), st.text(max_size=5), st.integers(0, 20))
def test_no_two_samples_share_a_file(a: str, k: int, b: str, j: int):
    assert (image_file("t", a, k) == image_file("t", b, j)) == ((a, k) == (b, j))


def test_a_plain_name_that_imitates_a_hashed_one_differs():
    assert safe_name(safe_name("A b")) != safe_name("A b")


def test_pixel_hash_sees_shape_and_pixels_but_not_the_mode():
    image = noise(1, 6, 4)
    assert pixel_hash(image) == pixel_hash(image.convert("RGBA"))
    assert pixel_hash(image) != pixel_hash(image.rotate(180))
    assert pixel_hash(Image.new("RGB", (6, 4))) != pixel_hash(Image.new("RGB", (4, 6)))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_png_round_trip_is_exact_and_names_its_origin(tmp_path: Path, mode: str):
    image, path = noise(3, 9, 7).convert(mode), tmp_path / "a.png"
    wanted = origin(sample="日本\u0000\n", k=3, seed=2**63 - 1)
    written = write_png(path, image, wanted)
    again = read_png(path, written)
    assert again.mode == "RGB"
    assert again.tobytes() == image.convert("RGB").tobytes()
    assert read_origin(path) == wanted
    assert is_whole_png(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_truncated_or_foreign_picture_is_noticed(tmp_path: Path):
    path = tmp_path / "a.png"
    written = write_png(path, noise(1, 40, 40), origin())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])  # all pixels are there, but the writer didn't finish
    assert not is_whole_png(path)
    for size in (0, 5, 60, len(whole) // 2):
        path.write_bytes(whole[:size])
        assert not is_whole_png(path)
        with pytest.raises(LedgerError, match="draws the picture again"):
            read_png(path, written)
    write_png(path, noise(2, 40, 40), origin())
    with pytest.raises(LedgerError, match="isn't the one"):
        read_png(path, written)
    path.unlink()
    assert not is_whole_png(path)
    with pytest.raises(LedgerError, match="can't be read"):
        read_png(path, written)


def test_reading_the_origin_of_a_foreign_file_says_so(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(LedgerError, match="doesn't say which request"):
        read_origin(path)


@pytest.mark.parametrize("durable", [True, False])
def test_a_failed_write_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
):
    path = tmp_path / "a"
    write_bytes(path, b"old", durable=durable)

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new", durable=durable)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
