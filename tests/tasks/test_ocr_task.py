"""shapes-ocr: exact reading, error rate, containment."""

import pytest

from harness.records import Response, Verdict
from tasks.shapes.ocr import ShapesOCR
from tasks.shapes.world.words import words_of
from tests.tasks.answers import outcome_of, result_of, saying, values_of

TASK = ShapesOCR({"words": 50})


def test_right_readings_score_one():
    values = values_of(result_of(TASK, lambda s: Response(text=str(s.target))))
    assert values == {"exact": 1, "cer": 0, "contained": 1}


def test_case_and_space_do_not_matter():
    values = values_of(result_of(TASK, lambda s: Response(text=f" {str(s.target).lower()}\n")))
    assert values["exact"] == 1
    assert values["cer"] == 0


def test_containment_forgives_babble_and_exact_does_not():
    values = values_of(result_of(TASK, lambda s: Response(text=f"the word is {s.target}!")))
    assert values["exact"] == 0
    assert values["contained"] == 1
    assert values["cer"] > 1


def test_nothing_said_is_unparsed():
    result = result_of(TASK, saying(" "))
    assert result.verdicts == {"unparsed": 50}
    assert values_of(result)["cer"] == 1


def test_words_are_held_out_and_cluster():
    samples = list(TASK.samples())
    assert {s.target for s in samples} <= set(words_of("test"))
    assert not {s.target for s in samples} & set(words_of("train"))
    assert all(s.cluster_id == s.target for s in samples)


@pytest.mark.parametrize(("said", "cer"), [("XXX", None), ("", 1.0)])
def test_error_rate_of_single_answers(said: str, cer: float | None):
    outcome = outcome_of(TASK, Response(text=said))
    assert outcome.verdict is not Verdict.OK
    assert cer is None or outcome.scores["cer"] == cer


def test_hostile_answers_get_a_verdict(hostile_text: str):
    assert outcome_of(TASK, Response(text=hostile_text)).verdict is not Verdict.OK
