"""Engines read, say what they are, never fetch anything, and take any picture."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFilter

from harness.errors import DataError, ProtocolMismatchError, SpecError
from harness.records import Identity
from tasks.judges.canary import check_canary, main, record_canary
from tasks.judges.ocr import ENGINE_NAMES, EngineChoice, Reading
from tasks.judges.ocr import rapid as rapid_module
from tasks.judges.ocr import tesseract as tesseract_module
from tasks.judges.ocr.canary import text_canaries
from tasks.judges.ocr.classical import ClassicalReader
from tasks.judges.ocr.frame import MAX_ASPECT, framed
from tasks.judges.ocr.rapid import RapidReader, bundled_weights
from tasks.judges.ocr.tesseract import TesseractReader
from tasks.ocr.lettering import clean_render
from tasks.ocr.world import world_word
from tasks.shapes.world import render, word_sample
from tasks.shapes.world.words import words_of

HOSTILE = {
    "a dot": np.zeros((1, 1, 3), np.uint8),
    "black": np.zeros((200, 300, 3), np.uint8),
    "a banner": np.full((50, 8000, 3), 255, np.uint8),
    "a thread": np.zeros((700, 1, 3), np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8),
}


def render_of(text: str, width: int = 160, height: int = 96) -> Any:
    return np.asarray(clean_render(text, width, height))


# ---- names and identities


def test_unknown_engines_are_refused_with_a_suggestion():
    for ask in (EngineChoice("rapidorc").identity, EngineChoice("rapidorc").check):
        with pytest.raises(SpecError, match="unknown OCR engine") as caught:
            ask()
        assert "rapidocr" in caught.value.remedy


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_identities_are_known_without_loading(name: str):
    identity = EngineChoice(name).identity()
    assert identity.version
    assert EngineChoice(name, threads=3).identity() == identity


def test_an_engine_is_what_its_choice_says(rapid: RapidReader):
    assert rapid.identity() == EngineChoice("rapidocr").identity()
    assert len(str(rapid.identity().weights_sha256)) == 64
    assert isinstance(EngineChoice("classical").build(), ClassicalReader)


# ---- rapidocr


def test_rapidocr_reads_clean_lines_with_boxes_on_them(rapid: RapidReader):
    page = np.full((192, 256, 3), 255, np.uint8)
    page[20:68, 30:158] = render_of("OPEN", 128, 48)
    page[110:158, 90:218] = render_of("24 hours", 128, 48)
    (found,) = rapid.read([page])
    assert found.text == "OPEN\n24 hours"
    assert all(0.9 < box.confidence <= 1 for box in found.boxes)
    first, second = (box.box for box in found.boxes)
    assert 30 <= first[0] < first[2] <= 158
    assert 20 <= first[1] < first[3] <= 68
    assert 90 <= second[0] < second[2] <= 218
    assert 110 <= second[1] < second[3] <= 158


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "a thread"])
def test_rapidocr_takes_any_picture(rapid: RapidReader, name: str):
    assert rapid.read([HOSTILE[name]])[0].text == ""


def test_rapidocr_reads_a_banner_and_puts_its_box_where_the_text_is(rapid: RapidReader):
    banner = np.full((40, 640, 3), 255, np.uint8)
    banner[:, 400:560] = render_of("HOTEL", 160, 40)
    (found,) = rapid.read([banner])
    assert found.text == "HOTEL"
    x0, y0, x1, y1 = found.boxes[0].box
    assert 400 <= x0 < x1 <= 560
    assert -4 <= y0 < y1 <= 44


def test_threads_and_batches_read_the_same(rapid: RapidReader):
    images = [render_of("one", 96, 96), render_of("4567", 112, 96)]
    together = RapidReader(threads=3).read(images)
    assert together == [rapid.read([image])[0] for image in images]
    assert [one.text for one in together] == ["one", "4567"]


def test_rapidocr_is_silent_and_fetches_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    from rapidocr.utils.download_file import DownloadFile

    def fetch(*_: object) -> None:
        raise AssertionError("it wants to fetch something")

    monkeypatch.setattr(DownloadFile, "run", fetch)
    engine = RapidReader()
    assert engine.read([render_of("quiet", 96, 64), HOSTILE["black"]])[0].text == "quiet"
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("RapidOCR").level == logging.CRITICAL


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rapidocr without weights, in front of the real one."""
    (tmp_path / "rapidocr" / "models").mkdir(parents=True)
    (tmp_path / "rapidocr" / "__init__.py").touch()
    kept = {name: sys.modules[name] for name in sys.modules if name.startswith("rapidocr")}
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "rapidocr" / "models"


@pytest.mark.parametrize("names", [[], ["a_det_b.onnx", "c_det_d.onnx", "a_rec_b.onnx"]])
def test_weights_that_would_be_fetched_are_an_error_by_name(package: Path, names: list[str]):
    for name in names:
        (package / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"\*_det_\*\.onnx.*nothing is fetched") as caught:
        EngineChoice("rapidocr").check()
    assert "pip install" in caught.value.remedy
    identity = EngineChoice("rapidocr").identity()
    assert identity.weights_sha256 is None
    with pytest.raises(DataError):
        EngineChoice("rapidocr").build()


def test_a_network_without_its_alphabet_is_an_error(
    monkeypatch: pytest.MonkeyPatch, rapid: RapidReader
):
    weights = bundled_weights()
    without = {"det": weights["det"], "rec": weights["det"]}
    monkeypatch.setattr(rapid_module, "bundled_weights", lambda: without)
    with pytest.raises(DataError, match="has no alphabet"):
        RapidReader()


@pytest.mark.parametrize("absent", ["rapidocr", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, absent: str):
    real = rapid_module.util.find_spec
    monkeypatch.setattr(
        rapid_module.util, "find_spec", lambda name: None if name == absent else real(name)
    )
    with pytest.raises(DataError, match=f"needs the package {absent}") as caught:
        EngineChoice("rapidocr").check()
    assert caught.value.remedy == "pip install 'cheers-bench[ocr]'"


# ---- tesseract


def test_tesseract_reads_clean_lines(needs_tesseract: None):
    images = [render_of("OPEN"), render_of("the cat sat"), HOSTILE["black"]]
    readings = TesseractReader(threads=2).read(images)
    assert [one.text for one in readings] == ["OPEN", "the cat sat", ""]
    x0, y0, x1, y1 = readings[0].boxes[0].box
    assert 0 <= x0 < x1 <= 160
    assert 0 <= y0 < y1 <= 96
    assert 0.5 < readings[0].boxes[0].confidence <= 1


@pytest.mark.parametrize("name", HOSTILE)
def test_tesseract_takes_any_picture(needs_tesseract: None, name: str):
    assert len(TesseractReader().read([HOSTILE[name]])) == 1


def test_without_tesseract_the_remedy_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="program of that name") as caught:
        EngineChoice("tesseract").check()
    assert "apt-get install tesseract-ocr" in caught.value.remedy
    assert EngineChoice("tesseract").identity().version == "not installed"


COLUMNS = "level page_num block_num par_num line_num word_num left top width height conf text"
TABLE = COLUMNS.replace(" ", "\\t")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Write a program `tesseract` that does what a script says."""

    def write(script: str) -> None:
        (tmp_path / "eng.traineddata").write_bytes(b"data")
        text = (
            "#!/bin/sh\n"
            'case "$1" in\n'
            '  --version) echo "tesseract 9.9";;\n'
            f"  --list-langs) echo 'languages in \"{tmp_path}/\" (1):';;\n"
            f"  *) {script};;\n"
            "esac\n"
        )
        file = tmp_path / "tesseract"
        file.write_text(text)
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        tesseract_module._installed.cache_clear()

    return write


def test_tesseracts_table_is_read_as_it_is(program: Any):
    row = "5\\t1\\t1\\t1\\t1\\t1\\t60\\t30\\t80\\t40"
    program(f"printf '{TABLE}\\n{row}\\t-1\\t\\n{row}\\t87.5\\t\"quoted\\n'")
    engine = TesseractReader()
    (found,) = engine.read([np.zeros((256, 512, 3), np.uint8)])  # enlarged twice
    assert found.text == '"quoted'
    assert found.boxes[0].box == (30, 15, 70, 35)
    assert found.boxes[0].confidence == 0.875
    assert engine.identity().version == "9.9"
    assert len(str(engine.identity().weights_sha256)) == 64


def test_tesseract_that_fails_is_an_error_with_its_words(program: Any):
    program("echo 'out of ink' >&2; exit 3")
    with pytest.raises(DataError, match="ended with 3: out of ink"):
        TesseractReader().read([HOSTILE["black"]])


def test_tesseract_that_hangs_is_stopped(program: Any):
    program("exec sleep 30")
    with pytest.raises(DataError, match=r"more than 0.2 s for a picture of 300 x 200"):
        TesseractReader(timeout=0.2).read([HOSTILE["black"]])


def test_tesseract_without_english_is_an_error(program: Any, tmp_path: Path):
    program("true")
    (tmp_path / "eng.traineddata").unlink()
    with pytest.raises(DataError, match="no data for 'eng'"):
        EngineChoice("tesseract").check()


@pytest.mark.parametrize(
    ("size", "factor"), [((64, 64), 8), ((600, 900), 1), ((50, 8000), 0.512), ((100, 2000), 2)]
)
def test_small_pictures_are_enlarged_and_huge_ones_reduced(size: tuple[int, int], factor: float):
    assert tesseract_module._factor(*size) == factor


# ---- the template reader


def test_the_template_reader_reads_its_world_at_any_square_size():
    engine = ClassicalReader()
    for word in words_of("test")[::20]:
        picture = world_word(word)
        for side in (64, 200):
            resized = picture.resize((side, side), Image.Resampling.LANCZOS)
            (found,) = engine.read([np.asarray(resized)])
            assert found.text == word
            assert found.boxes[0].box == (0, 0, side, side)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_template_reader_finds_no_text_where_there_is_none(name: str):
    assert ClassicalReader().read([HOSTILE[name]])[0].text == ""


def test_confidence_falls_with_blur():
    picture = Image.fromarray(render(word_sample(0, "test", 1).scene))
    blurred = [picture.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2)]
    found = ClassicalReader().read([np.asarray(image) for image in blurred])
    confidences = [one.boxes[0].confidence for one in found]
    assert confidences == sorted(confidences, reverse=True)
    assert 0.5 < confidences[-1] < confidences[0] <= 1


# ---- frames


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (999, 1), (50, 8000), (64, 64)])
def test_frames_keep_the_picture_and_bound_the_shape(size: tuple[int, int]):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    page = framed(image)
    height, width = page.pixels.shape[:2]
    assert max(height, width) <= MAX_ASPECT * min(height, width)
    inside = page.pixels[page.top : page.top + size[0], page.left : page.left + size[1]]
    assert np.array_equal(inside, image)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3), np.float32)],
)
def test_what_is_no_picture_is_refused(image: Any):
    with pytest.raises(ValueError, match="expected uint8"):
        framed(image)


# ---- canaries


@pytest.fixture(scope="module")
def canaries_read(rapid: RapidReader) -> list[Reading]:
    return rapid.read(text_canaries())


def test_canaries_are_the_same_everywhere_and_readable(canaries_read: list[Reading]):
    assert [int(image.astype(int).sum()) for image in text_canaries()] == CANARY_SUMS
    assert [one.text for one in canaries_read] == ["LOT", "HOTEL\nHELLO", ""]


CANARY_SUMS = [2864000, 26547840, 6635520]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"text": "LUT"}, r"LOT.*LUT"),
        ({"confidence": 0.5}, r"largest difference 0\.\d+"),
        ({"box": (0.0, 0.0, 9.0, 9.0)}, r"largest difference 0\.\d+"),
    ],
)
def test_an_engine_that_reads_otherwise_is_stopped(
    tmp_path: Path, canaries_read: list[Reading], change: dict[str, Any], fault: str
):
    record_canary(Stored(canaries_read), tmp_path)
    assert check_canary(Stored(canaries_read), tmp_path) is True
    box = msgspec.structs.replace(canaries_read[0].boxes[0], **change)
    with pytest.raises(ProtocolMismatchError, match=fault):
        check_canary(Stored([Reading(lines=((box,),)), *canaries_read[1:]]), tmp_path)


class Stored:
    """Reads what it's given."""

    def __init__(self, readings: list[Reading]) -> None:
        self.readings = readings

    def identity(self) -> Identity:
        return Identity(id="stored", version="1")

    def read(self, images: Any) -> list[Reading]:
        return self.readings


def test_the_command_records_a_canary(tmp_path: Path):
    done = CliRunner().invoke(main, ["--ocr", "classical", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert [path.name[:16] for path in tmp_path.iterdir()] == ["classical-reader"]
    both = CliRunner().invoke(main, ["--ocr", "classical", "--detector", "classical"])
    assert both.exit_code == 2
    assert "--ocr" in both.output
