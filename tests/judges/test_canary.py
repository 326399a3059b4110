"""A canary passes for the same judge, and stops one that computes otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from harness.errors import DataError, ProtocolMismatchError
from tasks.judges.canary import (
    FOLDER,
    canary_folder,
    canary_images,
    check_canary,
    main,
    record_canary,
)
from tasks.judges.classical import ClassicalDetector
from tasks.judges.clip_colors import ClipColors
from tasks.judges.mask2former.transformers_backend import TransformersMask2Former
from tests.judges.clip_toys import TINY
from tests.judges.mask2former_toys import stir, tiny_transformers_config


@pytest.fixture
def detector() -> TransformersMask2Former:
    built = TransformersMask2Former("random:0", config=tiny_transformers_config())
    with torch.no_grad():
        stir(built.model.state_dict())
    return built


@pytest.fixture
def colors() -> ClipColors:
    return ClipColors("random:1", architecture=TINY)


def test_pictures_are_the_same_everywhere():
    first, second = canary_images(), canary_images()
    assert [image.shape for image in first] == [(192, 192, 3), (192, 192, 3), (144, 192, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert [int(image.astype(int).sum()) for image in first] == [21375440, 13235211, 12841740]


def test_without_a_record_nothing_is_checked(detector: TransformersMask2Former, tmp_path: Path):
    assert check_canary(detector, tmp_path) is False


def test_the_same_judge_passes(
    detector: TransformersMask2Former, colors: ClipColors, tmp_path: Path
):
    for judge in (detector, colors, ClassicalDetector()):
        record_canary(judge, tmp_path)
        assert check_canary(judge, tmp_path) is True
    assert len(list(tmp_path.iterdir())) == 3


def test_a_perturbed_detector_is_stopped(detector: TransformersMask2Former, tmp_path: Path):
    record_canary(detector, tmp_path)
    with torch.no_grad():
        detector.model.class_predictor.weight.mul_(1.05)
    with pytest.raises(ProtocolMismatchError, match=r"then, .* now \(largest difference"):
        check_canary(detector, tmp_path)


def test_a_perturbed_classifier_is_stopped(colors: ClipColors, tmp_path: Path):
    record_canary(colors, tmp_path)
    with torch.no_grad():
        colors.network.model.visual.proj.mul_(torch.linspace(0.8, 1.2, 16))
    with pytest.raises(ProtocolMismatchError, match="picture 0"):
        check_canary(colors, tmp_path)


def test_classes_that_changed_places_are_noticed(tmp_path: Path):
    """The same boxes and scores under other names: a permuted list of classes."""
    judge = ClassicalDetector()
    record_canary(judge, tmp_path)
    names = dict(zip(judge.classes, (*judge.classes[1:], judge.classes[0]), strict=True))
    found = judge.detect

    class Permuted(ClassicalDetector):
        def detect(self, images: Any) -> Any:
            return [{names[name]: seen for name, seen in one.items()} for one in found(images)]

    with pytest.raises(ProtocolMismatchError, match="other names with the same scores"):
        check_canary(Permuted(), tmp_path)


def test_half_precision_is_noticed(detector: TransformersMask2Former, tmp_path: Path):
    record_canary(detector, tmp_path)
    with torch.no_grad():
        for parameter in detector.model.parameters():
            parameter.copy_(parameter.bfloat16().float())
    with pytest.raises(ProtocolMismatchError):
        check_canary(detector, tmp_path)


def test_another_activation_has_a_canary_of_its_own(colors: ClipColors, tmp_path: Path):
    record_canary(colors, tmp_path)
    other = ClipColors("random:1", architecture=TINY, activation="legacy-gelu")
    assert check_canary(other, tmp_path) is False


def test_a_damaged_record_is_named(colors: ClipColors, tmp_path: Path):
    path = record_canary(colors, tmp_path)
    path.write_text("{")
    with pytest.raises(DataError, match="can't be read"):
        check_canary(colors, tmp_path)


def test_the_folder_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert canary_folder() == tmp_path
    monkeypatch.delenv(FOLDER)
    assert canary_folder().name == "canaries"


def test_the_command_records(tmp_path: Path):
    done = CliRunner().invoke(main, ["--detector", "classical", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert check_canary(ClassicalDetector(), tmp_path) is True
    assert CliRunner().invoke(main, []).exit_code == 2


def test_scoring_looks_at_canaries_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tasks.geneval.judges import JudgeChoice

    monkeypatch.setenv(FOLDER, str(tmp_path))
    choice = JudgeChoice("classical", None, "classical", None, "cpu")
    choice.build()
    path = record_canary(choice.build().detector)
    path.write_text(path.read_text().replace("0.", "0.1", 3))
    with pytest.raises(ProtocolMismatchError, match="canary"):
        choice.build()
