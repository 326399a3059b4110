"""Raw requests: what they may say, what they're digested to, and what their responses must know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.errors import AdapterError
from harness.records import (
    AnswerRequest,
    GenerateImageRequest,
    LogLikelihoodRequest,
    Request,
    Response,
    TextDecoding,
)
from harness.run.asking import request_digest
from harness.run.contract import check_response

DECODING = TextDecoding(max_new_tokens=5, stop=("a",))
PICTURE = Image.new("RGB", (2, 2), (1, 2, 3))


@pytest.mark.parametrize(
    ("request_", "digest"),
    [
        (
            AnswerRequest(prompt="Hi", images=(PICTURE,), decoding=DECODING, seed=1),
            "66445f2140991391",
        ),
        (LogLikelihoodRequest(prompt="Hi", continuations=("A", "B"), seed=2), "23d51a9c44207bc5"),
        (GenerateImageRequest(prompt="x", seed=3), "e540b0f951b85879"),
    ],
    ids=["answer", "loglikelihood", "image"],
)
def test_digests_are_those_of_the_version_before_raw_requests(request_: Request, digest: str):
    assert request_digest(request_) == digest


@pytest.mark.parametrize(("least", "most"), [(-1, 4), (5, 4)])
def test_bounds_that_contradict_each_other_are_refused(least: int, most: int):
    with pytest.raises(ValueError, match=f"min_new_tokens is {least}, and max_new_tokens {most}"):
        TextDecoding(min_new_tokens=least, max_new_tokens=most)


def test_every_new_field_changes_the_digest():
    made = [
        AnswerRequest(prompt=""),
        AnswerRequest(prompt="", raw=True),
        AnswerRequest(prompt="", decoding=TextDecoding(min_new_tokens=1)),
        LogLikelihoodRequest(prompt="", continuations=("A",)),
        LogLikelihoodRequest(prompt="", continuations=("A",), raw=True),
        LogLikelihoodRequest(prompt="", continuations=("A",), raw=True, contexts=("",)),
        LogLikelihoodRequest(prompt="", continuations=("A",), raw=True, contexts=("x",)),
        LogLikelihoodRequest(prompt="", continuations=("A",), raw=True, rolling=True),
    ]
    assert len({request_digest(request) for request in made}) == len(made)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contexts": ("a", "b")}, "for raw requests"),
        ({"rolling": True}, "for raw requests"),
        ({"raw": True, "contexts": ("a",)}, "1 contexts for 2 continuations"),
        ({"raw": True, "contexts": ("a", "b"), "prompt": "x"}, "a prompt stands beside"),
        ({"raw": True, "rolling": True, "prompt": "x"}, "a prompt stands beside"),
    ],
)
def test_meaningless_combinations_are_refused(fields: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        LogLikelihoodRequest(**{"prompt": "", "continuations": ("A", "B"), **fields})


@given(pairs=st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_pairs_come_back_as_they_were_given(pairs: list[tuple[str, str]]):
    contexts, continuations = zip(*pairs, strict=True)
    request = LogLikelihoodRequest(
        prompt="", contexts=contexts, continuations=continuations, raw=True
    )
    assert list(request.pairs()) == pairs


def test_raw_requests_must_be_told_what_is_greedy():
    request = LogLikelihoodRequest(prompt="x", continuations=("A", "B"), raw=True)
    with pytest.raises(AdapterError, match="no `is_greedy` for a raw request"):
        check_response(request, Response(loglikelihoods=(-1.0, -2.0)))
    check_response(request, Response(loglikelihoods=(-1.0, -2.0), is_greedy=(True, False)))


def test_other_requests_need_not_be_told():
    request = LogLikelihoodRequest(prompt="x", continuations=("A",))
    check_response(request, Response(loglikelihoods=(-1.0,)))
    check_response(AnswerRequest(prompt="x", raw=True), Response(text=""))
