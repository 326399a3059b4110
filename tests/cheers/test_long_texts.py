"""Texts that are much longer than a pass need memory for a pass, and say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model_adapters.cheers.cache import KVCache
from model_adapters.cheers.likelihood import loglikelihood
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import apart
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sequence import lay_out
from model_adapters.cheers.session import open_session
from tests.cheers.conftest import SPECIAL, lively_model, small_config

PASS, LOGITS = 32, 16


@pytest.fixture
def short_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_adapters.cheers.session.PASS_TOKENS", PASS)
    monkeypatch.setattr("model_adapters.cheers.likelihood.LOGITS_AT_ONCE", LOGITS)


@pytest.fixture(scope="module")
def reader() -> CheersModel:
    return lively_model(small_config(context=2100))


class Sizes(TorchDispatchMode):
    """Notes the elements of every tensor that an operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.elements += [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        return out


def text(length: int, seed: int) -> list[int]:
    drawn = torch.randint(0, 250, (length,), generator=torch.Generator().manual_seed(seed))
    ids: list[int] = drawn.tolist()
    return ids


def windows(length: int) -> tuple[list[Prompt], list[list[int]]]:
    """A text in three windows: nothing before it, half, all but 40 tokens before it."""
    befores = [1, length // 2, length - 40]
    prompts = [Prompt(text(before, before)) for before in befores]
    return prompts, [text(length - before, before + 1) for before in befores]


def largest(model: CheersModel, length: int) -> int:
    prompts, answers = windows(length)
    with Sizes() as seen:
        loglikelihood(model, prompts, answers, cached_tokens=length)
    return max(seen.elements)


@pytest.mark.usefixtures("short_passes")
def test_memory_of_long_texts_is_not_quadratic(reader: CheersModel) -> None:
    short, long = largest(reader, 500), largest(reader, 2000)
    assert long < 4.5 * short
    assert long < 2000 * 2000 / 4


@pytest.mark.parametrize(
    "lengths",
    [[(400, 1), *[(10, 3)] * 80], [(500, 1), (5, 500), (5, 500)], [(30, 2 + n) for n in range(60)]],
    ids=["one long prompt", "long prompt, long answer", "many answers"],
)
def test_caches_stay_within_the_budget(
    reader: CheersModel, monkeypatch: pytest.MonkeyPatch, lengths: list[tuple[int, int]]
) -> None:
    seen, real = list[int](), KVCache.__init__

    def noted(self: KVCache, keys: list[Tensor], *rest: Any) -> None:
        rows, _, columns, _ = keys[0].shape
        seen.append(rows * (columns - 1))
        real(self, keys, *rest)

    monkeypatch.setattr(KVCache, "__init__", noted)
    prompts = [Prompt(text(have, have)) for have, _ in lengths]
    answers = [text(count, place) for place, (_, count) in enumerate(lengths)]
    bounded = loglikelihood(reader, prompts, answers, cached_tokens=1200)
    assert max(seen) <= 1200
    monkeypatch.undo()
    for ours, theirs in zip(bounded, loglikelihood(reader, prompts, answers), strict=True):
        assert ours.tokens == pytest.approx(theirs.tokens, abs=1e-4)


def test_a_mask_has_nothing_of_its_size_beside_it() -> None:
    layout = lay_out([text(100, 0), text(100, 1)], [False, False], SPECIAL, 4)
    with Sizes() as seen:
        mask = layout.attention()
    assert sum(size >= mask.numel() / 2 for size in seen.elements) == 1


@pytest.mark.usefixtures("short_passes")
def test_logits_exist_a_few_at_a_time(reader: CheersModel) -> None:
    rows, passes = list[int](), list[int]()
    hooks = [
        reader.lm_head.register_forward_pre_hook(lambda _, args: rows.append(len(args[0]))),
        reader.model.language_model.register_forward_pre_hook(
            lambda _, args: passes.append(args[0].shape[1])
        ),
    ]
    prompts, answers = windows(300)
    loglikelihood(reader, prompts, answers)
    for hook in hooks:
        hook.remove()
    assert max(rows) == LOGITS
    assert sum(rows) == sum(map(len, answers))
    assert max(passes) == PASS


def test_short_passes_say_the_same(reader: CheersModel, request: pytest.FixtureRequest) -> None:
    prompts, answers = windows(150)
    whole = loglikelihood(reader, prompts, answers)
    request.getfixturevalue("short_passes")
    for ours, theirs in zip(loglikelihood(reader, prompts, answers), whole, strict=True):
        assert ours.tokens == pytest.approx(theirs.tokens, abs=1e-4)
        assert ours.greedy == theirs.greedy


@pytest.mark.usefixtures("short_passes")
def test_long_prompts_open_the_session_of_whole_ones(
    reader: CheersModel, pixels: Callable[[int], Tensor]
) -> None:
    image = [SPECIAL.im_start, SPECIAL.image_token_index, SPECIAL.im_end]
    prompts = [
        Prompt(text(100, 0)),
        Prompt([*text(3, 1), *image, *text(70, 2)], (pixels(0),)),
        Prompt(text(33, 3), (), pixels(1)),
        Prompt([*text(3, 4), *image[:2]], (pixels(2),)),
    ]
    ours, whole = (open_session(reader, prompts, share=share) for share in (True, False))
    assert ours.cache.lengths == whole.cache.lengths
    torch.testing.assert_close(ours.last, whole.last, rtol=1e-4, atol=1e-4)


def test_prompts_apart_begin_with_something(pixels: Callable[[int], Tensor]) -> None:
    parts = apart([Prompt([1, 2, 3]), Prompt([1, 2], (), pixels(0))], SPECIAL)
    assert [list(head.ids) for head in parts.heads] == [[1], []]
    assert parts.tails == [[2, 3], [1, 2]]
    assert parts.place == [0, 1]
