"""easy-vqa: the package's own test split, whole and unchanged."""

import time
from pathlib import Path

import pytest

import tasks.easy_vqa as module
from harness.errors import DataError
from harness.records import Response, Verdict
from tasks.easy_vqa import EasyVQA, open_picture
from tests.tasks.answers import outcome_of, result_of, saying, values_of

TASK = EasyVQA({"questions": 300})


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
    assert image.tobytes() == open_picture(sample.data["image"]).tobytes()


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "test").mkdir()
    (tmp_path / "answers.txt").write_text("cat\n")
    monkeypatch.setattr(module, "_root", lambda: tmp_path)
    module.check_data.cache_clear()
    with pytest.raises(DataError, match="sha256") as caught:
        next(iter(TASK.samples()))
    assert "pip install" in caught.value.remedy
    assert module._SHA256 in caught.value.what
    module.check_data.cache_clear()


@pytest.mark.parametrize("text", ["", "\n", "a dog"])
def test_naming_no_answer_is_unparsed(text: str):
    assert outcome_of(TASK, Response(text=text)).verdict is Verdict.UNPARSED


def test_questions_on_one_picture_are_one_cluster():
    samples = list(EasyVQA().samples())
    assert all(s.cluster_id == f"image-{s.data['image']}" for s in samples)


def test_few_pictures_are_kept_in_memory():
    for number in range(200):
        open_picture(number)
    assert open_picture.cache_info().currsize <= 64


def test_a_long_ramble_is_judged_in_seconds():
    start = time.perf_counter()
    assert outcome_of(TASK, Response(text="x " * 5_000_000)).verdict is Verdict.UNPARSED
    assert time.perf_counter() - start < 60  # one pass per answer takes a second or two


def test_hostile_answers_get_a_verdict(hostile_text: str):
    assert outcome_of(TASK, Response(text=hostile_text)).verdict is not Verdict.OK
