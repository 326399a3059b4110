"""Tokens are drawn from the distribution of the textbook, each row by its own number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from model_adapters.cheers.sampling import Choice, Decoding, choose, draw, probabilities

SETTINGS = [
    Decoding(temperature=1.0),
    Decoding(temperature=0.6),
    Decoding(temperature=1.3, top_p=0.8),
    Decoding(temperature=1.0, top_k=7),
    Decoding(temperature=0.9, top_k=12, top_p=0.7),
]


def reference(logits: NDArray[np.float64], decoding: Decoding) -> NDArray[np.float64]:
    """Probabilities of one row: the likeliest first, cut where top-k and then top-p say."""
    order = np.argsort(-logits)
    chances = np.exp((logits[order] - logits.max()) / decoding.temperature)
    if decoding.top_k:
        chances[decoding.top_k :] = 0
    chances /= chances.sum()
    before = np.cumsum(chances) - chances
    kept = (before < decoding.top_p) | (decoding.top_p == 1)
    found = np.zeros_like(chances)
    found[order] = np.where(kept, chances, 0) / chances[kept].sum()
    return found


def some_logits(rows: int, vocabulary: int, scale: float = 1.0) -> Tensor:
    drawn = torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(5))
    return drawn * scale


@pytest.mark.parametrize("decoding", SETTINGS)
@pytest.mark.parametrize(("vocabulary", "scale"), [(30, 1.0), (9000, 0.5), (9000, 4.0)])
def test_probabilities_are_the_textbooks(decoding: Decoding, vocabulary: int, scale: float) -> None:
    logits = some_logits(3, vocabulary, scale)
    for found, row in zip(probabilities(logits, decoding), logits, strict=True):
        want = reference(row.double().numpy(), decoding)
        np.testing.assert_allclose(found.numpy(), want, rtol=1e-4, atol=1e-7)
        assert np.array_equal(found.numpy() > 1e-30, want > 1e-30)


@pytest.mark.parametrize("decoding", SETTINGS)
def test_tokens_are_drawn_by_their_probabilities(decoding: Decoding) -> None:
    logits, draws = some_logits(1, 25)[0], 20_000
    generator = torch.Generator().manual_seed(7)
    rows = [Choice(decoding, [], generator)] * draws
    found = np.bincount(choose(logits.expand(draws, -1), rows), minlength=25)
    want = reference(logits.double().numpy(), decoding) * draws
    assert found[want == 0].sum() == 0
    assert stats.chisquare(found[want > 0], want[want > 0]).pvalue > 1e-3


def test_a_row_draws_alone_what_it_draws_in_any_batch() -> None:
    logits = some_logits(40, 3000, 3.0)
    penalised = Decoding(temperature=0.8, repetition_penalty=1.3)
    settings = [*SETTINGS, Decoding(), Decoding(repetition_penalty=1.5), penalised]

    def rows() -> list[Choice]:
        return [
            Choice(settings[place % 8], [place, 3], torch.Generator().manual_seed(place))
            for place in range(40)
        ]

    together = choose(logits, rows())
    assert together == [choose(logits[p : p + 1], [row])[0] for p, row in enumerate(rows())]
    assert together[::-1] == choose(logits.flip(0), rows()[::-1])
    assert len(set(together)) > 20


def test_a_row_takes_one_number_of_its_generator() -> None:
    generator, other = (torch.Generator().manual_seed(1) for _ in range(2))
    choose(some_logits(1, 50), [Choice(Decoding(temperature=1.0, top_p=0.5), [], generator)])
    torch.rand((), generator=other, dtype=torch.float64)
    assert torch.equal(generator.get_state(), other.get_state())


def test_equal_tokens_stay_together() -> None:
    logits = torch.tensor([3.0, 1.0, 1.0, 1.0, -9.0])
    nucleus = probabilities(logits, Decoding(temperature=1.0, top_p=0.75))
    assert (nucleus > 0).tolist() == [True, True, True, True, False]
    assert float(nucleus.sum()) == pytest.approx(1.0)


def test_nothing_without_a_chance_is_drawn() -> None:
    chances = torch.tensor([[0.0, 0.1, 0.0, 0.2, 0.7, 0.0]])
    ends = torch.tensor([0.0, 1 - 2**-53, 0.1 - 1e-9, 0.1 + 1e-7, 0.5], dtype=torch.float64)
    assert draw(chances.expand(5, -1), ends).tolist() == [1, 4, 1, 3, 4]
    tiny = torch.full((1, 100_000), 1e-5)
    tiny[:, -1] = 0
    assert draw(tiny, ends[1:2]).tolist() == [99_998]


@pytest.mark.parametrize("cut", [{}, {"top_p": 0.5}, {"top_k": 2}, {"top_p": 0.5, "top_k": 2}])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_an_error(temperature: float, cut: dict[str, Any]) -> None:
    row = Choice(Decoding(temperature=temperature, **cut), [], torch.Generator().manual_seed(0))
    logits = some_logits(2, 6)
    logits[1, 2] = torch.nan
    with pytest.raises(ValueError, match="aren't numbers"):
        choose(logits, [row, row])


@pytest.mark.parametrize("cut", [{"top_p": 0.5}, {"top_k": 2}, {}])
def test_chances_that_are_no_numbers_are_an_error_too(cut: dict[str, Any]) -> None:
    """Infinite logits are numbers, and the chances by them aren't."""
    row = Choice(Decoding(temperature=1.0, **cut), [], torch.Generator().manual_seed(0))
    logits = some_logits(1, 6)
    logits[0, 2] = torch.inf
    with pytest.raises(ValueError, match="aren't numbers"):
        choose(logits, [row])
