"""The checks of adapters: a sound one passes them all, each broken one fails the check for it."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from harness.adapter import ModelAdapter
from harness.cli import main
from harness.conformance import (
    CHECKS,
    Finding,
    Status,
    Tolerance,
    check_adapter,
    check_closing,
    run_check,
)
from harness.conformance.inputs import odd_pictures
from harness.conformance.subject import Subject, difference
from harness.errors import AdapterError
from harness.records import (
    Capability,
    Fingerprint,
    FinishReason,
    ModelCard,
    Response,
    Usage,
)
from harness.registry import models
from harness.rgb import as_rgb
from harness.seeds import stream_seed
from harness.text import cut_at_stop


class Sound(ModelAdapter):
    """Answers with words that depend on prompt, pictures and, when warm, the seed."""

    card = ModelCard(
        name="sound",
        summary="Keeps every rule.",
        capabilities=frozenset({Capability.ANSWER, Capability.GENERATE_IMAGE}),
        licence="CC0-1.0",
        source="here",
    )

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="sound",
            adapter="sound",
            code_version="1",
            weights_sha256=None,
            config={"sizes": (1, 2)},
            defaults={},
            dtype="uint8",
            device="cpu",
        )

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        return [self.respond(request, len(requests)) for request in requests]

    def respond(self, request: Any, size: int) -> Response:
        words = self.words(request)[: request.decoding.max_new_tokens]
        text, stopped = self.cut(" ".join(words), request)
        reason = FinishReason.STOP if stopped else FinishReason.LENGTH
        return Response(text=text, finish_reason=reason, usage=Usage(completion_tokens=len(words)))

    def words(self, request: Any) -> list[str]:
        shown = [np.asarray(self.rgb(image)).sum() for image in request.images]
        state = hash_of(request.prompt, *map(int, shown), self.draw(request))
        return [f"{hash_of(state, n) % 1000:03d}" for n in range(20)]

    def rgb(self, image: Image.Image) -> Image.Image:
        return as_rgb(image)

    def draw(self, request: Any) -> int:
        if request.decoding.temperature == 0:
            return 0
        return stream_seed(request.seed, "sampling")

    def cut(self, text: str, request: Any) -> tuple[str, bool]:
        return cut_at_stop(text, request.decoding.stop)

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(image=self.noise(stream_seed(r.seed, "noise"))) for r in requests]

    def noise(self, seed: int) -> Image.Image:
        generator = np.random.default_rng(seed)
        return Image.fromarray(generator.integers(0, 256, (4, 6, 3), dtype=np.uint8))


def hash_of(*state: Any) -> int:
    import zlib

    return zlib.crc32(repr(state).encode("utf-8", "replace"))


class DependsOnTheBatch(Sound):
    def respond(self, request: Any, size: int) -> Response:
        response = super().respond(request, size)
        return msgspec.structs.replace(response, text=f"{response.text}{'!' * (size - 1)}")


class DrawsGlobally(Sound):
    def noise(self, seed: int) -> Image.Image:
        return super().noise(random.randrange(2**31))


class SamplesGlobally(Sound):
    def draw(self, request: Any) -> int:
        warm = request.decoding.temperature > 0
        return int(np.random.randint(2**31)) if warm else 0  # noqa: NPY002 -- the very mistake


class KeepsSettings(Sound):
    warmest = 0.0

    def draw(self, request: Any) -> int:
        self.warmest = max(self.warmest, request.decoding.temperature)
        return int(self.warmest > 1.5)


class KeepsFailures(Sound):
    failed = False

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        if any(request.decoding.width for request in requests):
            self.failed = True
            raise AdapterError("no sizes", "leave them open")
        return super().generate_image(requests)

    def noise(self, seed: int) -> Image.Image:
        return super().noise(seed + self.failed)


class IgnoresTheLimit(Sound):
    def respond(self, request: Any, size: int) -> Response:
        response = super().respond(request, size)
        return Response(text=response.text, usage=Usage(completion_tokens=20))


class IgnoresStops(Sound):
    def cut(self, text: str, request: Any) -> tuple[str, bool]:
        return text, False


class KeepsStops(Sound):
    def cut(self, text: str, request: Any) -> tuple[str, bool]:
        kept, stopped = super().cut(text, request)
        return text[: len(kept) + stopped], stopped


class RefusesControl(Sound):
    def words(self, request: Any) -> list[str]:
        if "\x00" in request.prompt:
            raise AdapterError("a NUL", "leave it out")
        return super().words(request)


class CrashesOnHugePrompts(Sound):
    def words(self, request: Any) -> list[str]:
        if len(request.prompt) > 100_000:
            raise RecursionError("too deep")
        return super().words(request)


class ForgetsOrientation(Sound):
    def rgb(self, image: Image.Image) -> Image.Image:
        return image.convert("RGB")


class CrashesOnOnePixel(Sound):
    def rgb(self, image: Image.Image) -> Image.Image:
        assert image.width > 1
        return super().rgb(image)


class Hoards(Sound):
    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        self.kept += [bytes(np.full(6 << 20, 7, np.uint8)) for _ in requests]
        return super().generate_image(requests)


class SpoiledByCtrlC(Sound):
    busy = False

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        if self.busy:
            return [Response(text="still busy")] * len(requests)
        self.busy = True
        time.sleep(0.001)
        said = super().answer(requests)
        self.busy = False
        return said


class SwallowsCtrlC(Sound):
    def answer(self, requests: Sequence[Any]) -> list[Response]:
        try:
            time.sleep(0.02)
        except KeyboardInterrupt:
            self.stopped = True
        return super().answer(requests)


class WrapsCtrlC(Sound):
    def answer(self, requests: Sequence[Any]) -> list[Response]:
        try:
            time.sleep(0.02)
        except BaseException as error:
            raise AdapterError("something broke") from error
        return super().answer(requests)


class ChokesOnDrawingNothing(Sound):
    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        assert all(request.prompt for request in requests)
        return super().generate_image(requests)


class ChangesItsFingerprint(Sound):
    def fingerprint(self) -> Fingerprint:
        return msgspec.structs.replace(super().fingerprint(), config={"now": time.perf_counter()})


class DeclaresTooMuch(Sound):
    card = ModelCard(
        name="sound",
        summary="Says that it edits.",
        capabilities=frozenset({Capability.EDIT_IMAGE}),
        licence="CC0-1.0",
        source="here",
    )


def failed(adapter: ModelAdapter) -> dict[str, str]:
    return {f.check: f.detail for f in check_adapter(adapter) if f.status is Status.FAILED}


def test_a_sound_adapter_passes_every_check():
    found = list(check_adapter(Sound()))
    assert [f.check for f in found] == [check.name for check in CHECKS]
    assert {f.status for f in found} == {Status.PASSED}, found
    assert all(f.detail for f in found)


@pytest.mark.parametrize(
    ("broken", "check", "said"),
    [
        (DependsOnTheBatch, "batch-invariance", "answer: request 0 gives another response in a b"),
        (DrawsGlobally, "seed-determinism", "generate_image: request 0 with one seed gives two"),
        (SamplesGlobally, "seed-determinism", "never from a global one"),
        (KeepsSettings, "leakage", "after other settings"),
        (KeepsFailures, "leakage", "generate_image"),
        (IgnoresTheLimit, "length-limit", "20 tokens came where 3 were allowed"),
        (IgnoresStops, "stop-strings", "with stop="),
        (KeepsStops, "stop-strings", "with stop="),
        (RefusesControl, "odd-prompts", "'control characters' is refused: a NUL"),
        (CrashesOnHugePrompts, "odd-prompts", "'huge' ends in RecursionError"),
        (ForgetsOrientation, "picture-modes", "use harness.rgb.as_rgb"),
        (CrashesOnOnePixel, "picture-shapes", "1x1: AssertionError"),
        (SpoiledByCtrlC, "cancellation", "answer: after an interrupted call: "),
        (SwallowsCtrlC, "cancellation", "Ctrl-C was swallowed"),
        (WrapsCtrlC, "cancellation", "Ctrl-C came out as AdapterError"),
        (ChokesOnDrawingNothing, "odd-prompts", "'empty' ends in AssertionError"),
        (Hoards, "memory", "resident memory grew by"),
        (ChangesItsFingerprint, "contract", "fingerprint changes"),
    ],
)
def test_each_mistake_is_found_by_its_check(broken: type[Sound], check: str, said: str):
    found = failed(broken())
    assert said in found[check]
    # What a global generator gives changes with the batch, too.
    chancy = {"batch-invariance", "leakage", "odd-prompts", "cancellation"}
    others = chancy if check == "seed-determinism" else set()
    assert set(found) - others <= {check}


def test_what_a_model_cannot_do_is_not_applicable():
    class Blind(Sound):
        card = ModelCard(
            name="blind",
            summary="Takes no pictures.",
            capabilities=frozenset({Capability.ANSWER}),
            licence="CC0-1.0",
            source="here",
        )

        def respond(self, request: Any, size: int) -> Response:
            if request.images:
                raise AdapterError("no eyes", "ask without pictures")
            text = super().respond(request, size).text
            return Response(text=text)

    found = {f.check: f for f in check_adapter(Blind())}
    apart = {name: f.detail for name, f in found.items() if f.status is Status.NOT_APPLICABLE}
    assert set(apart) == {"picture-modes", "picture-shapes", "length-limit"}
    assert apart["picture-modes"] == "the model takes no pictures"
    assert {f.status for f in found.values()} == {Status.PASSED, Status.NOT_APPLICABLE}


def test_a_capability_that_is_not_implemented_fails():
    found = failed(DeclaresTooMuch())
    assert "has no capability 'edit_image'" in found["contract"]


def test_the_global_generators_are_left_as_they_were():
    random.seed(3)
    before = random.getstate()
    list(check_adapter(SamplesGlobally()))
    assert random.getstate() == before


def test_the_alarm_of_somebody_else_is_put_back():
    before = signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM)
    check = next(check for check in CHECKS if check.name == "cancellation")
    assert run_check(check, Sound()).status is Status.PASSED
    after = signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM)
    assert after[1] is before[1]
    assert bool(after[0]) is bool(before[0])


def test_outside_of_the_main_thread_nothing_can_be_cancelled():
    check = next(check for check in CHECKS if check.name == "cancellation")
    found: list[Finding] = []
    thread = threading.Thread(target=lambda: found.append(run_check(check, Sound())))
    thread.start()
    thread.join()
    assert found[0].status is Status.NOT_APPLICABLE


class Weighty(Sound):
    """Holds a megabyte of weights, and lets them go when told to."""

    def __init__(self, *, frees: bool = True) -> None:
        self.model: Any = torch.nn.Linear(512, 512)
        self.frees = frees

    def fingerprint(self) -> Fingerprint:
        return msgspec.structs.replace(super().fingerprint(), parameters=512 * 513)

    def close(self) -> None:
        if self.frees:
            self.model = None


class ClosesOnce(Weighty):
    def close(self) -> None:
        del self.model


def test_closing_lets_go_of_the_weights():
    assert check_closing(Weighty()).status is Status.PASSED
    hoarded = Weighty(frees=False)
    found = check_closing(hoarded)
    assert found.status is Status.FAILED
    assert "MiB of tensors are alive after `close`" in found.detail
    assert check_closing(ClosesOnce()).detail.startswith("AttributeError")
    assert check_closing(Sound()).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_somebody_else_s_tests_can_run_single_checks(check: Any):
    finding = run_check(check, Subject(Sound(), Tolerance(mebibytes=500)))
    assert isinstance(finding, Finding)
    assert finding.status is Status.PASSED
    assert check.summary.endswith(".")


# --- comparing -----------------------------------------------------------------------------------


def image(level: int, size: tuple[int, int] = (2, 2)) -> Image.Image:
    return Image.new("RGB", size, (level, 0, 0))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (Response(text="a"), Response(text="a"), ""),
        (Response(text="a"), Response(text="b"), "'a' and 'b'"),
        (Response(loglikelihoods=(-1.0,)), Response(loglikelihoods=(-1.0005,)), ""),
        (Response(loglikelihoods=(-1.0,)), Response(loglikelihoods=(-1.5,)), "0.5 nats"),
        (
            Response(loglikelihoods=(-float("inf"),)),
            Response(loglikelihoods=(-float("inf"),)),
            "",
        ),
        (Response(image=image(9)), Response(image=image(11)), ""),
        (Response(image=image(9)), Response(image=image(12)), "3 grey levels"),
        (Response(image=image(9)), Response(image=image(9, (2, 3))), "sizes (2, 2) and (2, 3)"),
    ],
)
def test_what_counts_as_a_difference(first: Response, second: Response, said: str):
    assert difference(first, second, Tolerance()) == said


def test_odd_pictures_are_odd():
    pictures = odd_pictures()
    assert {name: picture.mode for name, picture in pictures.items()} == {
        "RGBA": "RGBA",
        "L": "L",
        "LA": "LA",
        "P": "P",
        "1": "1",
        "CMYK": "CMYK",
        "16-bit": "I;16",
        "EXIF rotation": "RGB",
    }
    turned = pictures["EXIF rotation"]
    assert as_rgb(turned).size == turned.size[::-1]
    grey = np.asarray(as_rgb(pictures["16-bit"])).astype(int)
    assert np.abs(grey[..., 0] - np.asarray(pictures["L"]).astype(int)).max() <= 1


# --- the command ---------------------------------------------------------------------------------


def check_command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["check-adapter", *arguments])
    return int(caught.value.code or 0)


@pytest.fixture
def registered() -> Any:
    before = dict(models()._added)
    models().add("sound", Sound)
    models().add("broken", IgnoresStops)
    yield
    models()._added = before


def test_the_command_passes_null(capsys: pytest.CaptureFixture[str]):
    assert check_command("null", "--model-arg", "answer=It is red") == 0
    out = capsys.readouterr().out
    assert "0 failed" in out
    assert "batch-invariance  passed" in out
    assert "length-limit      not applicable  the adapter doesn't count tokens" in out


def test_the_command_exits_with_1_if_a_check_fails(
    registered: None, capsys: pytest.CaptureFixture[str]
):
    assert check_command("broken") == 1
    out = capsys.readouterr().out
    assert "stop-strings      failed          with stop=" in out
    assert "closing           not applicable  the model has no weights in torch" in out
    assert "1 failed" in out


def test_the_command_refuses_an_unknown_model(capsys: pytest.CaptureFixture[str]):
    assert check_command("nul") == 2
    assert "did you mean 'null'" in capsys.readouterr().err
