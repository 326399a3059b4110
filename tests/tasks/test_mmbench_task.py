"""shapes-mmbench: only consistent answers count, and letters aren't guessed."""

from itertools import islice

import pytest

from harness.records import Response, Sample, Verdict
from tasks.shapes.mmbench import ShapesMMBench
from tests.tasks.answers import outcome_of, result_of, saying, values_of

TASK = ShapesMMBench({"questions": 40})


def test_right_letters_score_one():
    values = values_of(result_of(TASK, lambda s: Response(text=str(s.target))))
    assert values["circular"] == values["accuracy"] == 1


def test_right_option_texts_score_one():
    def text(sample: Sample) -> Response:
        return Response(text=sample.data["options"]["ABCD".index(str(sample.target))])

    assert values_of(result_of(TASK, text))["accuracy"] == 1


@pytest.mark.parametrize("letter", "ABCD")
def test_a_favourite_letter_gets_a_quarter_plain_and_nothing_circular(letter: str):
    values = values_of(result_of(TASK, saying(letter)))
    assert values["accuracy"] == pytest.approx(0.25)
    assert values["circular"] == 0


def test_one_wrong_rotation_spoils_the_question():
    def slip(sample: Sample) -> Response:
        spoiled = sample.id == "00000" and sample.k == 2
        return Response(text="no idea" if spoiled else str(sample.target))

    result = result_of(TASK, slip)
    assert values_of(result)["circular"] == pytest.approx(39 / 40)
    assert result.verdicts == {"ok": 159, "unparsed": 1}


def test_rotations_move_the_answer_through_all_letters():
    for index in range(5):
        four = list(islice(TASK.samples(), index * 4, index * 4 + 4))
        assert {s.target for s in four} == set("ABCD")
        texts = {s.data["options"]["ABCD".index(s.target)] for s in four}
        assert len(texts) == 1


def test_the_prompt_shows_question_and_options():
    sample = next(iter(TASK.samples()))
    prompt = TASK.request(sample, 0).prompt
    assert prompt.startswith(sample.data["question"])
    for letter, option in zip("ABCD", sample.data["options"], strict=True):
        assert f"\n{letter}. {option}" in prompt


def test_the_protocol_holds_the_very_prompt():
    sample = next(iter(TASK.samples()))
    options = dict(zip("abcd", sample.data["options"], strict=True))
    filled = TASK.prompt_template().format(question=sample.data["question"], **options)
    assert filled == TASK.request(sample, 0).prompt


@pytest.mark.parametrize("text", ["", " ", "I can't tell.", "A or B"])
def test_what_names_no_single_option_is_unparsed_and_scores_zero(text: str):
    outcome = outcome_of(TASK, Response(text=text))
    assert outcome.verdict is Verdict.UNPARSED
    assert outcome.scores == {"correct": 0}


def test_a_refusal_spoils_the_question_without_hiding_it():
    result = result_of(TASK, saying(""))
    assert result.verdicts == {"unparsed": 160}
    (circular,) = [m for m in result.metrics if m.name == "circular"]
    assert (circular.value, circular.n) == (0, 40)


def test_hostile_answers_get_a_verdict(hostile_text: str):
    outcome = outcome_of(TASK, Response(text=hostile_text))
    assert outcome.verdict in (Verdict.OK, Verdict.WRONG, Verdict.UNPARSED)
    assert outcome.scores["correct"] in (0.0, 1.0)
