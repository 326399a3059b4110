"""Beginnings that prompts share are run once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model_adapters.cheers import prefix
from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.likelihood import loglikelihood
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import Looks, split
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.session import open_session
from tests.cheers.conftest import SPECIAL, tokens_run

Pixels = Callable[[int], Tensor]
IMAGE = [SPECIAL.im_start, SPECIAL.image_token_index, SPECIAL.im_end]


def about(pixels: Pixels, *pictures: int, words: int) -> Prompt:
    """A question of so many words about pictures of these seeds."""
    ids = [5, *[token for _ in pictures for token in IMAGE], *range(30, 30 + words)]
    return Prompt(ids, tuple(pixels(seed) for seed in pictures))


@pytest.fixture
def questions(pixels: Pixels) -> list[Prompt]:
    """Three questions about one picture, one about two, one about another, two behind a dummy."""
    return [
        about(pixels, 0, words=4),
        about(pixels, 1, words=2),
        about(pixels, 0, words=1),
        about(pixels, 0, 1, words=3),
        about(pixels, 0, words=7),
        Prompt([40, 41], (), pixels(2)),
        Prompt([42, 43, 44], (), pixels(2)),
    ]


def test_equal_pictures_are_seen_once(pixels: Pixels) -> None:
    shown: list[int] = []

    def see(images: list[Tensor]) -> Tensor:
        shown.append(len(images))
        return torch.stack(images).flatten(2) * 2

    looks = Looks()
    batch = [pixels(0), pixels(1), pixels(0).clone(), pixels(1)]
    assert torch.equal(looks.tokens(batch, see), torch.stack(batch).flatten(2) * 2)
    almost = pixels(0).clone()
    almost[0, 0, 0] += 1e-6
    later = [pixels(1), almost]
    assert torch.equal(looks.tokens(later, see), torch.stack(later).flatten(2) * 2)
    assert shown == [2, 1]
    looks.tokens(batch, see)
    assert shown == [2, 1]


def test_rows_that_wait_look_at_nothing_again(model: CheersModel, questions: list[Prompt]) -> None:
    shown: list[int] = []
    handle = model.model.vision_representation.register_forward_pre_hook(
        lambda _, args: shown.append(len(args[0]))
    )
    generate_text(model, questions, Decoding(max_new_tokens=3), slots=2)
    handle.remove()
    assert sum(shown) == 3
    assert len(shown) > 1


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The pictures that were read to see whether they are equal, as it happens."""
    seen: list[Tensor] = []
    digest = prefix._digest

    def note(image: Tensor) -> bytes:
        seen.append(image)
        return digest(image)

    monkeypatch.setattr(prefix, "_digest", note)
    return seen


def test_a_picture_is_digested_once_a_call(
    model: CheersModel, questions: list[Prompt], digested: list[Tensor]
) -> None:
    distinct = {id(image) for prompt in questions for image in prompt.images}
    generate_text(model, questions, Decoding(max_new_tokens=3), slots=2)
    assert len(digested) == len(distinct)
    digested.clear()
    open_session(model, questions, guided=True)
    assert len(digested) == len(distinct)
    digested.clear()
    loglikelihood(model, [*questions, *questions], [[1, 2]] * len(questions) * 2)
    assert len(digested) == len(distinct)


def test_one_prompt_is_compared_with_nothing(pixels: Pixels, digested: list[Tensor]) -> None:
    assert split([about(pixels, 0, 0, words=2)], SPECIAL) is None
    assert not digested


def test_prompts_are_cut_behind_their_last_picture(questions: list[Prompt]) -> None:
    parts = split(questions, SPECIAL)
    assert parts is not None
    assert parts.place == [0, 1, 0, 2, 0, 3, 3]
    assert [list(head.ids) for head in parts.heads] == [
        [5, *IMAGE[:2]],
        [5, *IMAGE[:2]],
        [5, *IMAGE, *IMAGE[:2]],
        [],
    ]
    whole = [[*parts.heads[p].ids, *t] for p, t in zip(parts.place, parts.tails, strict=True)]
    assert whole == [list(prompt.ids) for prompt in questions]


def test_what_has_nothing_in_common_is_left_alone(pixels: Pixels, questions: list[Prompt]) -> None:
    assert split(questions[:2], SPECIAL) is None
    assert split([Prompt([1, 2]), Prompt([1, 3])], SPECIAL) is None  # nothing seen is shared
    ends = Prompt([5, *IMAGE[:2]], (pixels(0),))
    assert split([ends, ends], SPECIAL) is None
    other_words = questions[0]._replace(ids=[6, *questions[0].ids[1:]])
    assert split([questions[0], other_words], SPECIAL) is None


@pytest.mark.parametrize("guided", [False, True])
def test_sharing_changes_nothing(model: CheersModel, questions: list[Prompt], guided: bool) -> None:
    shared = open_session(model, questions, guided=guided)
    apart = open_session(model, questions, guided=guided, share=False)
    assert shared.cache.lengths == apart.cache.lengths
    torch.testing.assert_close(shared.last, apart.last, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(shared.cache.keys, apart.cache.keys, strict=True):
        for row, length in enumerate(shared.cache.lengths):
            torch.testing.assert_close(
                ours[row, :, :length], theirs[row, :, :length], rtol=1e-4, atol=1e-4
            )


def test_answers_are_those_of_each_question_alone(
    model: CheersModel, questions: list[Prompt]
) -> None:
    decoding = Decoding(max_new_tokens=10)
    together = generate_text(model, questions, decoding)
    assert together == [generate_text(model, [one], decoding)[0] for one in questions]
    assert together == generate_text(model, questions, decoding, slots=3)
    assert len({tuple(result.ids) for result in together}) > 3


def test_a_beginning_is_run_once(model: CheersModel, pixels: Pixels) -> None:
    prompts = [about(pixels, 0, words=2) for _ in range(6)]
    image = model.config.tokens_per_image
    # in front of the picture stand two ids, behind it `<im_end>` and two words
    assert tokens_run(model, lambda: open_session(model, prompts)) == 2 + image + 6 * 3
    apart = tokens_run(model, lambda: open_session(model, prompts, share=False))
    assert apart == 6 * (2 + image + 3)


def test_a_twin_shares_its_dummy(model: CheersModel, pixels: Pixels) -> None:
    prompt = Prompt([7, 8, 9], (), pixels(0))
    run = tokens_run(model, lambda: open_session(model, [prompt], guided=True))
    assert run == model.config.tokens_per_image + 2 * 3
