"""Pictures from outside: hostile files and references, and what decoding costs."""

from __future__ import annotations

import base64
import io
import random
from pathlib import Path

import pytest
from PIL import Image

from harness.data import describe, open_table
from harness.data.imagecells import BadCellError, Reference, items
from harness.data.pictures import FORMATS, decode
from harness.errors import DataError
from tests.data.toys import png, png64, question, write_tsv

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
(touched) (w) file closefile showpage
%%EOF
"""


def encoded(form: str) -> bytes:
    """A noisy picture in a format, turned by EXIF where the format knows it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    known = {"exif": exif} if form in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    buffer = io.BytesIO()
    image = Image.new("RGB", (40, 30), "gray")
    image.putdata([(x * 7 % 256, x * 3 % 256, x % 256) for x in range(1200)])
    image.save(buffer, form, **known)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_decoded_upright(form: str):
    turned = form in ("PNG", "JPEG", "WEBP", "TIFF")
    image = decode(encoded(form))
    assert (image.mode, image.size) == ("RGB", (30, 40) if turned else (40, 30))


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_files_are_pictures_or_an_error(form: str):
    rng = random.Random(form)
    whole = encoded(form)
    bad = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(min(len(data), rng.choice([60, len(data)])))
            data[at : at + rng.choice([0, 1, 30])] = rng.randbytes(1)
        try:
            assert decode(bytes(data)).mode == "RGB"
        except BadCellError as error:
            bad += bool(error.what and error.remedy)
    assert bad > 0


def test_formats_that_start_programs_are_no_pictures(tmp_path: Path):
    """Pillow gives EPS to Ghostscript; a data file mustn't."""
    with Image.open(io.BytesIO(EPS)) as opened:
        assert opened.format == "EPS"
    cell = base64.b64encode(EPS).decode()
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1, image=cell)]))
    with pytest.raises(DataError, match="its image is no picture"):
        table.images(0)
    assert describe(table).rows_without_image == 1


def test_a_long_chain_of_references_ends(tmp_path: Path):
    rows = [question(0), *(question(n, image=str(n - 1)) for n in range(1, 3000))]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert table.images(60)[0].getpixel((0, 0)) == (0, 0, 0)
    with pytest.raises(DataError, match=r"\(index 2999\): its image is more than 64 references"):
        table.images(2999)


def test_lists_of_references_cant_multiply_without_end(tmp_path: Path):
    """Each row stands for the one before it ten times: row 20 for 10 to the 20th pictures."""
    rows = [question(0), *(question(n, image=repr([str(n - 1)] * 10)) for n in range(1, 21))]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert len(table.encoded_images(2)) == 100
    with pytest.raises(DataError, match="stands for more than 1024 pictures"):
        table.encoded_images(20)


def test_many_rows_without_an_index_are_no_trouble(tmp_path: Path):
    rows = [{"question": "?", "image": png64()}, {"question": "?", "image": "1"}]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows, ("question", "image")))
    assert table.images(0)
    with pytest.raises(DataError, match=r"t\.tsv row 1: its image refers to index '1', which no"):
        table.images(1)


def test_encoded_pictures_are_the_files_as_they_are(tmp_path: Path):
    rows = [question(1, image=png64("red")), question(2, image="1")]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert table.encoded_images(1) == (base64.b64decode(png64("red")),)


def test_data_addresses_hold_pictures_too(tmp_path: Path):
    rows = [question(1, image=f"data:image/png;base64,{png64('red')}")]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert table.images(0)[0].getpixel((0, 0)) == (255, 0, 0)


PATHS = {
    "p/1.png": True,
    "p/../p/1.png": True,
    "./p/1.png": True,
    "link/1.png": True,
    "linked.png": True,
    "../out/1.png": False,
    "p/../../out/1.png": False,
    "/etc/1.png": False,
    "p/2.png": False,
    "p.png": False,
}


@pytest.mark.parametrize(("path", "readable"), PATHS.items())
def test_paths_stay_beside_the_table_though_links_may_lead_out(
    tmp_path: Path, path: str, *, readable: bool
):
    """The hub's cache keeps a snapshot's files as links to where their bytes are."""
    folder = tmp_path / "in"
    for name in ("in/p", "out"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").write_bytes(png("red"))
    (folder / "link").symlink_to(tmp_path / "out")
    (folder / "linked.png").symlink_to(tmp_path / "out" / "1.png")
    (folder / "p.png").mkdir()
    (folder / "metadata.jsonl").write_text(f'{{"file_name": "{path}", "index": 4}}')
    table = open_table(folder)
    if readable:
        assert table.images(0)[0].getpixel((0, 0)) == (255, 0, 0)
        return
    with pytest.raises(
        DataError, match=r"row 0 \(index 4\): its image names .*, which (is out|can't)"
    ):
        table.images(0)


def test_a_table_keeps_its_place_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "1.png").write_bytes(png("red"))
    (tmp_path / "t.jsonl").write_text('{"image": "1.png"}')
    monkeypatch.chdir(tmp_path)
    table = open_table("t.jsonl")
    monkeypatch.chdir("/")
    assert table.images(0)[0].size == (8, 6)


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [
        ("7", [Reference]),
        (7, [Reference]),
        ("a/b.JPG", [Path]),
        (["1.png", "2.webp"], [Path, Path]),
        ("['1.png', '2']", [Path, Reference]),
        ("[1, 2]", [Reference, Reference]),
        ({"bytes": b"x", "path": "1.png"}, [bytes]),
        ({"bytes": b"", "path": "1.png"}, [Path]),
        ([{"bytes": b"x", "path": None}, b"y"], [bytes, bytes]),
        (base64.b64encode(bytes(60)).decode(), [bytes]),
        (f"data:image/webp;base64,{base64.b64encode(bytes(60)).decode()}", [bytes]),
    ],
)
def test_what_a_cell_holds_is_told_by_its_looks(cell: object, kinds: list[type]):
    found = list(items(cell))
    assert len(found) == len(kinds)
    assert all(isinstance(item, kind) for item, kind in zip(found, kinds, strict=True))


@pytest.mark.parametrize(
    "cell", [1.5, {"bytes": None, "path": None}, {}, {"a": 1}, [1.5], "[1.5]", "[,]"]
)
def test_what_holds_no_picture_is_an_error(cell: object):
    with pytest.raises(BadCellError):
        list(items(cell))
