from __future__ import annotations

import pytest
import torch

from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampling import Choice, choose, penalise, probabilities
from model_adapters.cheers.session import ContextLengthError, open_session
from tests.cheers.conftest import SPECIAL, lively_model, small_config


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def test_a_row_does_not_depend_on_its_batch(model: CheersModel, ragged: list[Prompt]) -> None:
    decoding = Decoding(max_new_tokens=12)
    together = generate_text(model, ragged, decoding)
    alone = [generate_text(model, [prompt], decoding)[0] for prompt in ragged]
    shuffled = generate_text(model, ragged[::-1], decoding)[::-1]
    assert together == alone == shuffled


def test_padding_and_other_rows_are_never_attended(
    model: CheersModel, ragged: list[Prompt]
) -> None:
    first = open_session(model, ragged).logits()
    alone = torch.cat([open_session(model, [prompt]).logits() for prompt in ragged])
    torch.testing.assert_close(first, alone, rtol=1e-4, atol=1e-4)


def test_sampling_is_a_function_of_the_rows_generator(
    model: CheersModel, ragged: list[Prompt]
) -> None:
    decoding = Decoding(max_new_tokens=8, temperature=1.0)
    together = generate_text(model, ragged, decoding, generators(4))
    alone = [
        generate_text(model, [prompt], decoding, [generator])[0]
        for prompt, generator in zip(ragged, generators(4), strict=True)
    ]
    assert together == alone
    other = generate_text(model, ragged, decoding, generators(5)[1:])
    assert other != together


def test_each_row_has_its_own_settings(model: CheersModel, ragged: list[Prompt]) -> None:
    settings = [Decoding(max_new_tokens=count) for count in (1, 3, 5, 2)]
    results = generate_text(model, ragged, settings)
    assert [len(result.ids) for result in results] == [1, 3, 5, 2]
    assert {result.finish_reason for result in results} == {"length"}


def test_rows_stop_one_by_one(model: CheersModel, ragged: list[Prompt]) -> None:
    free = generate_text(model, ragged, Decoding(max_new_tokens=6))
    stop = free[0].ids[2]
    results = generate_text(model, ragged, Decoding(max_new_tokens=6, stop_ids=(stop,)))
    for result, whole in zip(results, free, strict=True):
        cut = whole.ids.index(stop) + 1 if stop in whole.ids else 6
        assert result.ids == whole.ids[:cut]
        assert result.finish_reason == ("stop" if stop in whole.ids else "length")
    assert results[0].finish_reason == "stop"


def test_the_context_length_is_the_limit_and_is_reported() -> None:
    model = lively_model(small_config(context=10))
    result = generate_text(model, [Prompt([1, 2, 3, 4])], Decoding(max_new_tokens=50))[0]
    assert result.finish_reason == "context"
    assert len(result.ids) == 6


def test_a_prompt_longer_than_the_context_is_an_error() -> None:
    model = lively_model(small_config(context=4))
    with pytest.raises(ContextLengthError, match="row 1: the prompt has 5 tokens"):
        generate_text(model, [Prompt([1]), Prompt([1, 2, 3, 4, 5])], Decoding())


def test_answers_longer_than_1024_are_not_cut() -> None:
    model = lively_model(small_config(context=1200))
    result = generate_text(model, [Prompt([1] * 1100)], Decoding(max_new_tokens=40))[0]
    assert result.finish_reason in ("length", "stop", "image")
    assert result.ids


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 8, 99])
def test_rows_that_wait_answer_as_if_alone(
    model: CheersModel, ragged: list[Prompt], slots: int
) -> None:
    prompts = [*ragged, *ragged[::-1]]
    settings = [
        Decoding(max_new_tokens=1 + 5 * (place % 3), temperature=float(place % 2))
        for place in range(8)
    ]
    alone = [
        generate_text(model, [prompt], item, [source])[0]
        for prompt, item, source in zip(prompts, settings, generators(8), strict=True)
    ]
    together = generate_text(model, prompts, settings, generators(8), slots=slots)
    assert together == alone


def test_a_row_that_ends_makes_room(model: CheersModel, ragged: list[Prompt]) -> None:
    """Seven short answers pass through the slot beside a long one while that is written."""
    prompts = [ragged[3]] * 8
    settings = [Decoding(max_new_tokens=count) for count in (15, *[2] * 7)]
    batches: list[int] = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda _, args: batches.append(len(args[0]))
    )
    results = generate_text(model, prompts, settings, slots=2)
    handle.remove()
    assert [len(result.ids) for result in results] == [15, *[2] * 7]
    assert max(batches) == 2
    # 1 prefill of two, 14 tokens of the long answer, 6 prefills of one; the 7 short ones ride along
    assert len(batches) <= 1 + 14 + 6


def test_no_slots_are_refused(model: CheersModel) -> None:
    with pytest.raises(ValueError, match="at least one slot, not 0"):
        generate_text(model, [Prompt([1])], Decoding(), slots=0)


def beam_score(model: CheersModel, prompt: Prompt, ids: list[int]) -> float:
    session, total = open_session(model, [prompt]), 0.0
    for token in ids:
        total += float(session.logits()[0].log_softmax(-1)[token])
        session.append([token])
    return total


def test_beams_find_at_least_the_greedy_score(model: CheersModel, ragged: list[Prompt]) -> None:
    prompt = ragged[1]
    greedy = generate_text(model, [prompt], Decoding(max_new_tokens=5))[0]
    beams = generate_text(model, [prompt], Decoding(max_new_tokens=5, num_beams=8))[0]
    assert beam_score(model, prompt, beams.ids) >= beam_score(model, prompt, greedy.ids) - 1e-4


def test_beam_search_is_exhaustive_when_wide_enough(
    model: CheersModel, ragged: list[Prompt]
) -> None:
    prompt, width = ragged[3], model.config.text_config.vocab_size
    found = generate_text(model, [prompt], Decoding(max_new_tokens=2, num_beams=width))[0]
    session = open_session(model, [prompt])
    first = session.logits()[0].log_softmax(-1)
    many = session.select([0] * width)
    many.append(list(range(width)))
    best = first + many.logits().log_softmax(-1).max(-1).values
    ends = {SPECIAL.chat_end_eos, SPECIAL.im_start}
    for token in ends:
        best[token] = first[token]
    assert found.ids[0] == int(best.argmax())


def test_beams_run_beside_plain_rows(model: CheersModel, ragged: list[Prompt]) -> None:
    settings = [Decoding(max_new_tokens=4, num_beams=beams) for beams in (1, 3, 1, 2)]
    mixed = generate_text(model, ragged, settings)
    alone = [
        generate_text(model, [prompt], item)[0]
        for prompt, item in zip(ragged, settings, strict=True)
    ]
    assert mixed == alone


def test_top_k_top_p_and_temperature() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, 3.0])
    plain = probabilities(logits, Decoding(temperature=2.0))
    torch.testing.assert_close(plain, (logits / 2).softmax(-1))
    assert (probabilities(logits, Decoding(temperature=1.0, top_k=2)) > 0).tolist() == [
        False,
        False,
        True,
        True,
    ]
    nucleus = probabilities(logits, Decoding(temperature=1.0, top_p=0.7))
    assert (nucleus > 0).tolist() == [False, False, True, True]
    assert float(nucleus.sum()) == pytest.approx(1.0)
    tiny = probabilities(logits, Decoding(temperature=1.0, top_p=1e-6))
    assert tiny.tolist() == [0, 0, 0, 1]


def test_repetition_penalty_lowers_what_was_said() -> None:
    logits = torch.tensor([2.0, -2.0, 1.0])
    assert penalise(logits, [0, 1, 1], 2.0).tolist() == [1.0, -4.0, 1.0]
    assert logits.tolist() == [2.0, -2.0, 1.0]
    asked = Choice(Decoding(repetition_penalty=4.0), [0], None)
    assert choose(logits[None], [asked]) == [2]


def test_sampling_without_a_generator_is_an_error(model: CheersModel) -> None:
    with pytest.raises(ValueError, match="generator"):
        generate_text(model, [Prompt([1])], Decoding(temperature=1.0))


@pytest.mark.parametrize(
    "settings",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"num_beams": 2, "temperature": 0.5},
        {"min_new_tokens": -1},
        {"max_new_tokens": 3, "min_new_tokens": 4},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|beam"):
        Decoding(**settings)


def test_as_many_settings_as_prompts(model: CheersModel) -> None:
    with pytest.raises(ValueError, match="1 settings came for 2 prompts"):
        generate_text(model, [Prompt([1]), Prompt([2])], [Decoding()])


def test_global_random_state_is_left_alone(model: CheersModel, ragged: list[Prompt]) -> None:
    before = torch.get_rng_state()
    generate_text(model, ragged, Decoding(max_new_tokens=3, temperature=1.0), generators(4))
    assert torch.equal(before, torch.get_rng_state())


def plainly(
    model: CheersModel, prompt: Prompt, decoding: Decoding, generator: torch.Generator
) -> list[int]:
    """A text written token by token, its ends forbidden as long as it is too short."""
    session, ids = open_session(model, [prompt]), list[int]()
    special = model.config.special_token_ids
    stops = {special.chat_end_eos, special.im_start, *decoding.stop_ids}
    while len(ids) < decoding.max_new_tokens:
        logits = session.logits().clone()
        if len(ids) < decoding.min_new_tokens:
            logits[:, sorted(stops)] = -torch.inf
        ids += choose(logits, [Choice(decoding, ids, generator)])
        if ids[-1] in stops:
            break
        session.append([ids[-1]])
    return ids


def all_but_few(model: CheersModel) -> tuple[int, ...]:
    """Stop ids that leave a text three ids to go on with."""
    return tuple(range(3, model.lm_head.out_features))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_no_text_ends_before_it_may(
    model: CheersModel, ragged: list[Prompt], temperature: float
) -> None:
    """Rows of different bounds in a batch, against each text written alone."""
    settings = [
        Decoding(
            max_new_tokens=7,
            min_new_tokens=least,
            temperature=temperature,
            stop_ids=all_but_few(model),
        )
        for least in (0, 3, 7, 5)
    ]
    found = generate_text(model, ragged, settings, generators(4))
    expected = [
        plainly(model, prompt, item, source)
        for prompt, item, source in zip(ragged, settings, generators(4), strict=True)
    ]
    assert [one.ids for one in found] == expected
    assert all(
        len(one.ids) >= item.min_new_tokens for one, item in zip(found, settings, strict=True)
    )
    assert len(found[0].ids) < 7
    assert (len(found[2].ids), found[2].finish_reason) == (7, "length")


@pytest.mark.parametrize("beams", [1, 3])
def test_texts_of_a_fixed_length(model: CheersModel, ragged: list[Prompt], beams: int) -> None:
    decoding = Decoding(
        max_new_tokens=5, min_new_tokens=5, num_beams=beams, stop_ids=all_but_few(model)
    )
    for result in generate_text(model, ragged, decoding):
        assert len(result.ids) == 5
        assert set(result.ids) <= {0, 1, 2}
        assert result.finish_reason == "length"


def test_logits_that_were_looked_at_stay_as_they_are(
    model: CheersModel, ragged: list[Prompt]
) -> None:
    from model_adapters.cheers.decoding import _held_open, _Row

    logits = torch.zeros(2, 6)
    rows = [_Row(n, Decoding(min_new_tokens=1), None, frozenset({2, 4})) for n in range(2)]
    held = _held_open(logits, rows)
    assert logits.isfinite().all()
    assert held.isinf().nonzero().tolist() == [[0, 2], [0, 4], [1, 2], [1, 4]]
    rows[1].ids.append(5)
    assert _held_open(logits, rows).isinf().nonzero().tolist() == [[0, 2], [0, 4]]
