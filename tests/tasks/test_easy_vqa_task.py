"""easy-vqa: the package's own test split, whole and unchanged."""

from pathlib import Path

import pytest

import tasks.easy_vqa as module
from harness.errors import DataError
from harness.records import Response, Verdict
from tasks.easy_vqa import EasyVQA, test_picture
from tests.tasks.answers import outcome_of, result_of, saying, values_of

TASK = EasyVQA({"questions": 300})
test_picture.__test__ = False  # a function of the task, not a test


def test_the_split_is_whole():
    samples = list(EasyVQA().samples())
    assert len(samples) == 9673
    assert len({s.cluster_id for s in samples}) == 1000


def test_right_answers_score_one():
    values = values_of(result_of(TASK, lambda s: Response(text=f" {str(s.target).upper()}.")))
    assert values["accuracy"] == 1


def test_always_yes_scores_the_share_of_yes():
    result = result_of(EasyVQA(), saying("yes"))
    assert values_of(result)["accuracy"] == pytest.approx(3611 / 9673)


def test_naming_several_answers_is_unparsed():
    assert outcome_of(TASK, Response(text="yes or no")).verdict is Verdict.UNPARSED


def test_a_subset_is_spread_over_the_split():
    ids = [int(s.id) for s in TASK.samples()]
    assert len(ids) == 300
    assert ids == sorted(set(ids))
    assert max(ids) > 9600


def test_the_picture_belongs_to_the_question():
    sample = next(iter(TASK.samples()))
    image = TASK.request(sample, 0).images[0]
    assert image.size == (64, 64)
    assert image.tobytes() == test_picture(sample.data["image"]).tobytes()


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "test").mkdir()
    (tmp_path / "answers.txt").write_text("cat\n")
    monkeypatch.setattr(module, "_root", lambda: tmp_path)
    module._check_data.cache_clear()
    with pytest.raises(DataError, match="sha256") as caught:
        next(iter(TASK.samples()))
    assert "pip install" in caught.value.remedy
    assert module._SHA256 in caught.value.what
    module._check_data.cache_clear()


def test_hostile_answers_get_a_verdict(hostile_text: str):
    assert outcome_of(TASK, Response(text=hostile_text)).verdict is not Verdict.OK
