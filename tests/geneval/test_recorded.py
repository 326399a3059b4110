"""A folder of somebody else's images: every flaw is a verdict that names the file."""

from __future__ import annotations

import io
import json
import shutil
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harness.errors import AdapterError, NoResponseError, ProtocolMismatchError, SpecError
from harness.media import ImageOrigin, write_png
from harness.records import AnswerRequest, GenerateImageRequest, Sample
from harness.run import rescore
from model_adapters.recorded.adapter import RecordedImages
from model_adapters.recorded.leniency import FLAWS
from tests.geneval.fakes import (
    RECORDS,
    SIZE,
    CodeColors,
    CodeDetector,
    installed,
    official_folder,
    outcomes_of,
    prompt_file,
    result_of,
    right_image,
    run_geneval,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return official_folder(tmp_path / "images")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return prompt_file(tmp_path)


@pytest.fixture(autouse=True)
def judges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        yield


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


COW = right_image(RECORDS[0])
NOISE = Image.effect_noise((SIZE, SIZE), 90).convert("RGB")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return png(COW, exif=exif.tobytes())


def huge_claim() -> bytes:
    """A valid header of 100,000 x 100,000 pixels and nothing behind it."""
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + crc


def flipped_bit() -> bytes:
    data = bytearray(png(NOISE))
    data[len(data) // 2] ^= 1
    return bytes(data)


def foreign_origin() -> bytes:
    buffer, info = io.BytesIO(), PngInfo()
    info.add_itxt("cheers-bench", '{"not": "an origin"}')
    COW.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


FLAWED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty (0 bytes)"),
    "truncated": (png(NOISE)[:-900], "is truncated or damaged"),
    "without its end": (png(COW)[:-12], "is truncated or damaged"),
    "flipped bit": (flipped_bit(), "is truncated or damaged"),
    "JPEG bytes": (jpeg(COW), "holds JPEG data, not PNG (accept=jpeg"),
    "GIF bytes": (b"GIF89a" + bytes(20), "holds GIF data"),
    "text": (b"<html>502 Bad gateway", "is no image: it begins with b'<html>50'"),
    "wrong size": (png(COW.resize((16, 32))), f"has 16x32 pixels, not {SIZE}x{SIZE}"),
    "EXIF": (turned(), "has EXIF orientation 6"),
    "bomb": (huge_claim(), "claims 100000x100000 pixels"),
    "16 bits": (png(Image.new("I;16", (SIZE, SIZE))), "has mode I;16"),
    "transparent": (png(Image.new("RGBA", (SIZE, SIZE), (1, 2, 3, 9))), "is transparent"),
    "damaged text chunk": (foreign_origin(), "has a damaged text chunk"),
}


@pytest.mark.parametrize(("data", "said"), FLAWED.values(), ids=FLAWED)
def test_a_flawed_image_is_an_error_of_its_own(
    folder: Path, prompts: Path, tmp_path: Path, data: bytes, said: str
):
    (folder / "00000" / "samples" / "00001.png").write_bytes(data)
    result = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    found = outcomes_of(tmp_path / "run")
    verdict, reason = found.pop("00000#1")
    assert verdict == "errored"
    assert reason.startswith("00000/samples/00001.png ")
    assert said in reason
    assert "Traceback" not in reason
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert result.status == "incomplete"
    overall = result.metrics[0]
    assert overall.value == 1.0  # the flawed image isn't counted as wrong
    assert overall.bound_low < 1.0 == overall.bound_high


def test_missing_images_and_folders_are_missing(folder: Path, prompts: Path, tmp_path: Path):
    (folder / "00001" / "samples" / "00000.png").unlink()
    shutil.rmtree(folder / "00003")
    shutil.rmtree(folder / "00004" / "samples")
    result = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    assert result.verdicts == {"ok": 5, "missing": 5}
    found = outcomes_of(tmp_path / "run")
    assert found["00001#0"][1] == ("00001/samples/00000.png is missing; the folder has 00001.png")
    assert found["00003#1"] == ("missing", "images has no folder 00003")
    assert "00004/samples/00001.png is missing; the folder has no images" in found["00004#1"][1]


def test_a_folder_whose_first_prompts_are_missing_is_scored_all_the_same(tmp_path: Path):
    records = [{**RECORDS[0], "prompt": f"a photo of cow {i}"} for i in range(30)]
    folder = official_folder(tmp_path / "images", records)
    for index in range(25):
        shutil.rmtree(folder / f"{index:05d}")
    result = run_geneval(tmp_path / "run", "recorded", folder, prompt_file(tmp_path, records))
    assert result.verdicts == {"ok": 10, "missing": 50}


def test_scoring_again_and_resuming_change_no_verdict(folder: Path, prompts: Path, tmp_path: Path):
    (folder / "00000" / "samples" / "00001.png").write_bytes(b"")
    (folder / "00001" / "samples" / "00000.png").unlink()
    first = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    before = outcomes_of(tmp_path / "run")
    again = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    assert (again, outcomes_of(tmp_path / "run")) == (first, before)
    rescore(tmp_path / "run")
    assert (result_of(tmp_path / "run"), outcomes_of(tmp_path / "run")) == (first, before)


def test_another_prompt_in_the_metadata(folder: Path, prompts: Path, tmp_path: Path):
    (folder / "00000" / "metadata.jsonl").write_text(json.dumps(RECORDS[1]))
    changed = {**RECORDS[1], "include": [{"class": "dog", "count": 2}]}
    (folder / "00001" / "metadata.jsonl").write_text(json.dumps(changed))
    (folder / "00002" / "metadata.jsonl").write_text("{broken")
    (folder / "00003" / "metadata.jsonl").write_text("[1]")
    (folder / "00004" / "metadata.jsonl").unlink()
    result = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    assert result.verdicts == {"errored": 10}
    found = outcomes_of(tmp_path / "run")
    assert found["00000#0"][1] == (
        "00000/metadata.jsonl says 'a photo of 1 dog', but the task asks for 'a photo of 1 cow'"
    )
    assert "00001/metadata.jsonl has another 'include'" in found["00001#0"][1]
    assert "00002/metadata.jsonl can't be read" in found["00002#1"][1]
    assert "00003/metadata.jsonl holds no JSON object" in found["00003#1"][1]
    assert "00004/metadata.jsonl is missing" in found["00004#1"][1]


def test_our_own_image_of_another_prompt(folder: Path, prompts: Path, tmp_path: Path):
    origin = ImageOrigin(
        task="geneval", sample="00007", k=2, seed=1, model="m", prompt_sha256="0" * 64
    )
    write_png(folder / "00000" / "samples" / "00000.png", COW, origin)
    run_geneval(tmp_path / "run", "recorded", folder, prompts)
    verdict, reason = outcomes_of(tmp_path / "run")["00000#0"]
    assert verdict == "errored"
    assert "00000/samples/00000.png was drawn for another prompt (sample 00007#2" in reason


def as_jpegs(folder: Path, *, renamed: bool) -> None:
    for path in list(folder.rglob("samples/*.png")):
        with Image.open(path) as image:
            data = jpeg(image)
        path.unlink()
        (path.with_suffix(".jpg") if renamed else path).write_bytes(data)


@pytest.mark.parametrize("renamed", [False, True])
def test_a_folder_of_jpegs(folder: Path, prompts: Path, tmp_path: Path, renamed: bool):
    as_jpegs(folder, renamed=renamed)
    result = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    assert result.verdicts == {"errored": 10}
    assert result.metrics[0].value is None  # not 0
    assert all("JPEG data" in reason for _, reason in outcomes_of(tmp_path / "run").values())
    args = {"accept": "jpeg"}
    accepted = run_geneval(tmp_path / "other", "recorded", folder, prompts, args=args)
    assert set(accepted.verdicts) <= {"ok", "wrong"}


ACCEPTED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "exif": ("00000#0", lambda f: (f / "00000/samples/00000.png").write_bytes(turned())),
    "size": (
        "00000#0",
        lambda f: (f / "00000/samples/00000.png").write_bytes(png(COW.resize((40, 40)))),
    ),
    "unlabelled": ("00000#0", lambda f: (f / "00000/metadata.jsonl").unlink()),
    "jpeg": (
        "00000#0",
        lambda f: (f / "00000/samples/00000.png").write_bytes(png(COW)),
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaws_are_accepted_by_name(folder: Path, prompts: Path, tmp_path: Path, flaw: str):
    key, spoil = ACCEPTED[flaw]
    spoil(folder)
    run_geneval(tmp_path / "run", "recorded", folder, prompts, args={"accept": flaw})
    assert outcomes_of(tmp_path / "run")[key] == ("ok", "")


def test_exif_turns_the_image_if_accepted(folder: Path):
    wide = Image.new("RGB", (SIZE, SIZE))
    wide.paste((255, 0, 0), (0, 0, SIZE, 4))  # the upper edge, which orientation 6 turns right
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "00000" / "samples" / "00000.png").write_bytes(png(wide, exif=exif.tobytes()))
    image = served(RecordedImages(str(folder), accept="exif"))
    assert image.getpixel((SIZE - 1, SIZE // 2)) == (255, 0, 0)
    assert image.getpixel((SIZE // 2, 0)) == (0, 0, 0)


def served(model: RecordedImages, index: int = 0, k: int = 0) -> Image.Image:
    sample = Sample(id=f"{index:05d}", k=k, target=RECORDS[index])
    asked = GenerateImageRequest(prompt=RECORDS[index]["prompt"])
    request = model.address(asked, "geneval", sample)
    assert isinstance(request, GenerateImageRequest)
    (response,) = model.generate_image([request])
    assert response.image is not None
    return response.image


@pytest.mark.parametrize("name", ["0.png", "0000.png", "00000.png"])
def test_numbers_may_be_padded_otherwise(folder: Path, name: str):
    samples = folder / "00000" / "samples"
    (samples / "00000.png").rename(samples / name)
    (folder / "00000").rename(folder / "0")
    assert served(RecordedImages(str(folder))).tobytes() == COW.tobytes()


def test_two_files_for_one_image_are_refused(folder: Path):
    shutil.copy(folder / "00000/samples/00000.png", folder / "00000/samples/0.png")
    with pytest.raises(NoResponseError, match=r"has 0\.png and 00000\.png for image 0"):
        served(RecordedImages(str(folder)))
    shutil.copytree(folder / "00000", folder / "0")
    with pytest.raises(AdapterError, match="two folders of number 0"):
        RecordedImages(str(folder))


def test_palettes_and_opaque_images_are_fine(folder: Path):
    for k, image in enumerate((COW.quantize(4), COW.convert("RGBA"))):
        data = png(image)
        (folder / "00000" / "samples" / f"{k:05d}.png").write_bytes(data)
        assert served(RecordedImages(str(folder)), k=k).tobytes() == COW.tobytes()


def test_the_fingerprint_is_of_contents(folder: Path, tmp_path: Path):
    first = RecordedImages(str(folder)).fingerprint()
    assert first.config == {
        "layout": "geneval",
        "images": 10,
        "size": [SIZE, SIZE],
        "accept": [],
    }
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    (moved / "00000" / "grid.png").unlink()
    assert RecordedImages(str(moved)).fingerprint() == first
    NOISE.save(moved / "00000" / "samples" / "00000.png")
    assert RecordedImages(str(moved)).fingerprint() != first


def test_a_run_goes_on_only_with_the_same_images(folder: Path, prompts: Path, tmp_path: Path):
    run_geneval(tmp_path / "run", "recorded", folder, prompts)
    NOISE.save(folder / "00000" / "samples" / "00000.png")
    with pytest.raises(ProtocolMismatchError, match="weights_sha256"):
        run_geneval(tmp_path / "run", "recorded", folder, prompts)


def test_wrong_folders_and_arguments_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(AdapterError, match="no folder") as caught:
        RecordedImages(str(tmp_path / "none"))
    assert "recorded:FOLDER" in caught.value.remedy
    (tmp_path / "flat").mkdir()
    COW.save(tmp_path / "flat" / "00000.png")
    with pytest.raises(AdapterError, match="isn't in GenEval's layout") as caught:
        RecordedImages(str(tmp_path / "flat"))
    assert "00000/samples/00000.png" in caught.value.remedy
    with pytest.raises(SpecError, match="unknown flaw 'jpg'"):
        RecordedImages(str(folder), accept="jpg")
    with pytest.raises(SpecError, match="size is '512'"):
        RecordedImages(str(folder), size="512")


def test_a_size_can_be_demanded(folder: Path):
    assert served(RecordedImages(str(folder), size=f"{SIZE}x{SIZE}")).size == (SIZE, SIZE)
    with pytest.raises(NoResponseError, match="not 512x512 \\(asked for\\)"):
        served(RecordedImages(str(folder), size="512x512"))


def test_it_serves_images_of_samples_only(folder: Path):
    model = RecordedImages(str(folder))
    with pytest.raises(AdapterError, match="asked without a sample"):
        model.generate_image([GenerateImageRequest(prompt="a cow")])
    question = AnswerRequest(prompt="?")
    assert model.address(question, "easy-vqa", Sample(id="0")) is question


def test_a_run_in_a_models_place(folder: Path, prompts: Path, tmp_path: Path):
    first = run_geneval(tmp_path / "first", "recorded", folder, prompts)
    second = run_geneval(tmp_path / "second", "recorded", tmp_path / "first", prompts)
    assert second == first
    assert outcomes_of(tmp_path / "second") == outcomes_of(tmp_path / "first")
    model = RecordedImages(str(tmp_path / "first"))
    found = model.fingerprint().config
    model.close()
    assert (found["layout"], found["images"], found["drawn_by"]) == ("run", 10, "recorded")


def test_a_run_with_gaps_in_a_models_place(folder: Path, prompts: Path, tmp_path: Path):
    (folder / "00000" / "samples" / "00001.png").write_bytes(b"")
    run_geneval(tmp_path / "first", "recorded", folder, prompts)
    (tmp_path / "first" / "images" / "geneval" / "00001_0.png").unlink()
    result = run_geneval(tmp_path / "second", "recorded", tmp_path / "first", prompts)
    assert result.verdicts == {"ok": 8, "missing": 2}
    found = outcomes_of(tmp_path / "second")
    assert "sample 00000#1 of geneval has no image" in found["00000#1"][1]
    assert "00001_0.png can't be read" in found["00001#0"][1]


def test_a_survey_keeps_nothing_of_a_file(tmp_path: Path):
    from model_adapters.recorded.survey import survey

    path = tmp_path / "a.png"
    COW.save(path)

    def peak(count: int) -> int:
        tracemalloc.start()
        found = survey(tmp_path, (path for _ in range(count)))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.images == count
        return size

    few = peak(10)
    assert peak(2_000) < few + 100_000
