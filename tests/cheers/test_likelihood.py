from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.likelihood import loglikelihood
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.session import ContextLengthError, open_session
from tests.cheers.conftest import SPECIAL, lively_model, small_config, tokens_run

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


def questions(pixels: Callable[[int], Tensor]) -> tuple[list[Prompt], list[list[int]]]:
    """Three prompts with two to four answers each, mixed; two show one picture."""
    image = [SPECIAL.im_start, SPECIAL.image_token_index, SPECIAL.im_end]
    first, second = Prompt([5, *image, 7], (pixels(0),)), Prompt([5, *image, 9, 10], (pixels(0),))
    third = Prompt([20, 21, 22], (), pixels(1))
    prompts = [first, third, first, second, third, second, first, second, third]
    first_again = Prompt(list(first.ids), (pixels(0).clone(),))
    answers = [[3, 4], [5], [6, 7, 8], [3, 9, 10, 11], [5, 6], [12], [13], [3, 4], [14, 15, 16]]
    return [*prompts, first_again], [*answers, [17, 18]]


def test_answers_to_one_prompt_are_those_of_each_alone(
    model: CheersModel, pixels: Callable[[int], Tensor]
) -> None:
    prompts, answers = questions(pixels)
    together = loglikelihood(model, prompts, answers)
    for result, prompt, answer in zip(together, prompts, answers, strict=True):
        (alone,) = loglikelihood(model, [prompt], [answer])
        assert result.tokens == pytest.approx(alone.tokens, abs=1e-5)
        assert result.tokens == pytest.approx(step_by_step(model, prompt, answer), abs=1e-3)
        assert result.greedy == alone.greedy


@pytest.mark.parametrize("budget", [1, 30, 60])
def test_any_budget_gives_the_same(
    model: CheersModel, pixels: Callable[[int], Tensor], budget: int
) -> None:
    prompts, answers = questions(pixels)
    want = loglikelihood(model, prompts, answers)
    found = loglikelihood(model, prompts, answers, cached_tokens=budget)
    for ours, theirs in zip(found, want, strict=True):
        assert ours.tokens == pytest.approx(theirs.tokens, abs=1e-5)
    prompts, answers = prompts[::-1], answers[::-1]
    back = loglikelihood(model, prompts, answers, cached_tokens=budget)[::-1]
    for ours, theirs in zip(back, want, strict=True):
        assert ours.tokens == pytest.approx(theirs.tokens, abs=1e-5)


def test_a_prompt_is_run_once_whatever_its_answers(model: CheersModel) -> None:
    prompt = Prompt(list(range(30, 70)))

    def run(*answers: list[int]) -> int:
        prompts = [prompt] * len(answers)
        return tokens_run(model, lambda: loglikelihood(model, prompts, answers))

    assert run([1], [2], [3], [4]) == len(prompt.ids)
    assert run([1, 2], [3, 4, 5], [6]) == len(prompt.ids) + 3 * 2
    apart = [Prompt([*range(30, 69), last]) for last in (1, 2)]
    assert tokens_run(model, lambda: loglikelihood(model, apart, [[1], [2]])) == 2 * len(prompt.ids)


def test_memory_does_not_grow_with_the_answers(model: CheersModel) -> None:
    prompt, columns = Prompt(list(range(30, 60))), list[int]()
    handle = model.model.language_model.register_forward_pre_hook(
        lambda _, args: columns.append(args[0].shape[0] * args[3].end)
    )
    answers = [[first, 2] for first in range(40)]
    loglikelihood(model, [prompt] * len(answers), answers, cached_tokens=200)
    handle.remove()
    assert max(columns) <= 200
    assert len(columns) == 1 + 40 // (200 // 32) + 1


def test_a_long_answer_goes_through_in_passes(
    model: CheersModel, ragged: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [list(range(20, 20 + length)) for length in (9, 1, 16, 33)]
    want = loglikelihood(model, ragged, answers)
    monkeypatch.setattr("model_adapters.cheers.session.PASS_TOKENS", 8)
    for ours, theirs in zip(loglikelihood(model, ragged, answers), want, strict=True):
        assert len(ours.tokens) == len(theirs.tokens)
        assert ours.tokens == pytest.approx(theirs.tokens, abs=1e-5)


def test_an_empty_answer_is_an_error(model: CheersModel) -> None:
    with pytest.raises(ValueError, match="row 1: the answer is empty"):
        loglikelihood(model, [Prompt([1]), Prompt([2])], [[1], []])


def test_a_too_long_answer_is_an_error() -> None:
    model = lively_model(small_config(context=4))
    with pytest.raises(ContextLengthError, match="row 0: prompt and answer have 5 tokens"):
        loglikelihood(model, [Prompt([1, 2])], [[1, 2, 3]])
