"""Text that CHEERS continues or scores as it stands: no template, one dummy, nothing lost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AdapterError
from harness.records import AnswerRequest, LogLikelihoodRequest, TextDecoding
from harness.run.contract import check_response
from model_adapters.cheers.adapter import CheersAdapter
from model_adapters.cheers.raw_text import RawText
from tasks.probes.inputs import picture

NATS = 1e-4


@pytest.fixture(scope="module")
def bare(checkpoint: Path) -> CheersAdapter:
    return CheersAdapter(str(checkpoint), prompt_form="no-dummy")


def raw(*continuations: str, prompt: str = "", **fields: Any) -> LogLikelihoodRequest:
    return LogLikelihoodRequest(prompt=prompt, continuations=continuations, raw=True, **fields)


def values(adapter: CheersAdapter, request: LogLikelihoodRequest) -> tuple[float, ...]:
    (response,) = adapter.loglikelihood([request])
    check_response(request, response)
    return response.loglikelihoods


def say(adapter: CheersAdapter, prompt: str, *, is_raw: bool = True, new: int = 4, **fields: Any):
    decoding = TextDecoding(max_new_tokens=new)
    return adapter.answer([AnswerRequest(prompt=prompt, raw=is_raw, decoding=decoding, **fields)])[
        0
    ]


def test_no_template_stands_around_raw_text(adapter: CheersAdapter):
    plain, templated = (say(adapter, "abc", is_raw=form) for form in (True, False))
    assert plain.usage.prompt_tokens < templated.usage.prompt_tokens
    encode = adapter._checkpoint.processor.tokenizer.encode
    assert plain.usage.prompt_tokens == len(encode("abc"))
    asked = LogLikelihoodRequest(prompt="abc", continuations=("d",))
    assert (
        values(adapter, raw("d", prompt="abc")) != adapter.loglikelihood([asked])[0].loglikelihoods
    )


def test_a_template_written_out_is_the_template(adapter: CheersAdapter):
    from model_adapters.cheers.template import Message, render

    text = render([Message(role="user", content="what?")])
    assert say(adapter, text, seed=3).text == say(adapter, "what?", is_raw=False, seed=3).text
    asked = LogLikelihoodRequest(prompt="what?", continuations=("a", "bc"), seed=3)
    (templated,) = adapter.loglikelihood([asked])
    before = adapter._checkpoint.processor.tokenizer.encode(text.rstrip())
    assert len(before) < len(adapter._checkpoint.processor.tokenizer.encode(text))
    # lm-eval counts the template's last line break to the continuation, so it's scored as well.
    (line_break,) = values(adapter, raw("\n", prompt=text.rstrip(), seed=3))
    found = values(adapter, raw("a", "bc", prompt=text, seed=3))
    want = [line_break + value for value in templated.loglikelihoods]
    assert found == pytest.approx(want, abs=NATS)


def test_the_prompt_form_stays_as_it_is(adapter: CheersAdapter, bare: CheersAdapter):
    per_image = adapter._checkpoint.model.config.tokens_per_image
    assert say(adapter, "abc").usage.vision_tokens == per_image
    assert say(bare, "abc").usage.vision_tokens == 0
    assert values(adapter, raw("d", prompt="abc", seed=1)) != values(
        adapter, raw("d", prompt="abc", seed=2)
    )
    assert values(bare, raw("d", prompt="abc", seed=1)) == values(
        bare, raw("d", prompt="abc", seed=2)
    )


def test_chances_multiply_along_a_text(bare: CheersAdapter):
    (first,) = values(bare, raw("b", prompt="a"))
    (second,) = values(bare, raw("c", prompt="ab"))
    assert values(bare, raw("bc", prompt="a")) == pytest.approx((first + second,), abs=NATS)


def test_all_next_tokens_share_one_chance(bare: CheersAdapter):
    texts = [chr(code) for code in range(97, 123)]
    assert sum(map(math.exp, values(bare, raw(*texts, prompt="ab")))) <= 1 + 1e-5


def test_contexts_of_their_own_are_those_alone(bare: CheersAdapter):
    contexts = ("ab", "", "abcd")
    together = values(bare, raw("x", "y", "z", contexts=contexts))
    alone = [
        values(bare, raw(text, prompt=context))[0]
        for context, text in zip(contexts, "xyz", strict=True)
    ]
    assert together == pytest.approx(alone, abs=NATS)


def test_rolling_texts_that_fit_are_texts_without_context(bare: CheersAdapter):
    assert values(bare, raw("abcab", rolling=True)) == pytest.approx(
        values(bare, raw("abcab")), abs=NATS
    )
    assert values(bare, raw("", rolling=True)) == (0.0,)


def test_longer_ones_go_through_windows(adapter: CheersAdapter, monkeypatch: pytest.MonkeyPatch):
    reader = adapter._raw(raw("x"))
    monkeypatch.setattr(reader, "_room", 5)
    (part,) = reader.to_score(raw("abcdefghij", rolling=True), seed=0)
    ids = adapter._checkpoint.processor.tokenizer.encode("abcdefghij")
    assert [token for _, scored in part for token in scored] == ids
    assert len(part) == math.ceil(len(ids) / 4)
    assert all(len(prompt.ids) + len(scored) <= 5 for prompt, scored in part)
    assert all(prompt.dummy is part[0][0].dummy for prompt, _ in part)


def test_long_contexts_lose_their_beginning(bare: CheersAdapter):
    limit = bare._checkpoint.model.config.text_config.max_position_embeddings
    tail = "abc" * limit
    assert values(bare, raw("d", prompt="x" + tail)) == values(bare, raw("d", prompt="yz" + tail))
    assert say(bare, "x" + tail).text == say(bare, "yz" + tail).text
    with pytest.raises(AdapterError, match="max_new_tokens"):
        say(bare, "abc", new=limit)
    with pytest.raises(AdapterError, match="rolling"):
        values(bare, raw("d" * 2 * limit, prompt="a"))


def test_greedy_is_what_it_says_itself(bare: CheersAdapter):
    logits = {text: values(bare, raw(text, prompt="ab"))[0] for text in map(chr, range(97, 123))}
    best = max(logits, key=logits.__getitem__)
    said = say(bare, "ab", new=1).text
    (response,) = bare.loglikelihood([raw(best, *set("abc") - {best}, prompt="ab")])
    assert response.is_greedy[0] is (said == best)
    assert not any(response.is_greedy[1:])


def test_pictures_have_no_place_in_raw_text(adapter: CheersAdapter):
    with pytest.raises(AdapterError, match="no place for pictures"):
        say(adapter, "abc", images=(picture(0, 20, 20),))


def test_an_empty_text_begins_with_the_prefix(adapter: CheersAdapter):
    prompt = adapter._raw(raw("x")).to_continue("", 4, seed=0)
    assert prompt.ids == [adapter._checkpoint.model.config.special_token_ids.pad]
    assert isinstance(adapter._raw(raw("x")), RawText)
