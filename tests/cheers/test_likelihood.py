from __future__ import annotations

import pytest

from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.likelihood import loglikelihood
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.session import ContextLengthError, open_session
from tests.cheers.conftest import lively_model, small_config

ANSWERS = [[3, 4], [5], [6, 7, 8], [9, 10, 11, 12]]


def step_by_step(model: CheersModel, prompt: Prompt, answer: list[int]) -> list[float]:
    session, scores = open_session(model, [prompt]), []
    for token in answer:
        scores.append(float(session.logits()[0].log_softmax(-1)[token]))
        session.append([token])
    return scores


def test_teacher_forcing_equals_stepping(model: CheersModel, ragged: list[Prompt]) -> None:
    results = loglikelihood(model, ragged, ANSWERS)
    for result, prompt, answer in zip(results, ragged, ANSWERS, strict=True):
        assert result.tokens == pytest.approx(step_by_step(model, prompt, answer), abs=1e-3)
        assert result.total == pytest.approx(sum(result.tokens), abs=1e-5)


def test_greedy_answers_are_greedy(model: CheersModel, ragged: list[Prompt]) -> None:
    answers = [text.ids for text in generate_text(model, ragged, Decoding(max_new_tokens=4))]
    assert all(result.greedy for result in loglikelihood(model, ragged, answers))
    changed = [[(ids[0] + 1) % 256, *ids[1:]] for ids in answers]
    assert not any(result.greedy for result in loglikelihood(model, ragged, changed))


def test_an_empty_answer_is_an_error(model: CheersModel) -> None:
    with pytest.raises(ValueError, match="row 1: the answer is empty"):
        loglikelihood(model, [Prompt([1]), Prompt([2])], [[1], []])


def test_a_too_long_answer_is_an_error() -> None:
    model = lively_model(small_config(context=4))
    with pytest.raises(ContextLengthError, match="row 0: prompt and answer have 5 tokens"):
        loglikelihood(model, [Prompt([1, 2])], [[1, 2, 3]])
