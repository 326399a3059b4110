"""The `openai` adapter against a real server on this machine, faults included."""

from __future__ import annotations

import base64
import email.utils
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.errors import AdapterError, CapabilityError, SpecError
from harness.ledger.export import export_rows
from harness.models import build_model, model_ref
from harness.records import (
    AnswerRequest,
    Capability,
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    TextDecoding,
)
from harness.run import execute
from harness.run.contract import check_response
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.openai.adapter import OpenAIEndpoint
from model_adapters.openai.events import events
from model_adapters.openai.secret import Secret
from tasks.judges.vqa import Question, VQAJudge
from tasks.probes.latency_metrics import round_scores
from tests.adapters.chat_server import (
    ChatServer,
    chat_server,
    delta,
    hang,
    hang_up,
    json_of,
    picture,
    raw,
    short_body,
    status,
    streamed,
    text_of,
    trickle,
)

KEY = "sk-test/7f3b9c1d+5e2a4860"
HASTE = {"pause_s": 0.01, "timeout_s": 5.0}
ASK = AnswerRequest(prompt="What colour?", seed=7)
RED = Image.new("RGB", (5, 4), "red")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def endpoint(server: ChatServer) -> Iterator[Callable[..., OpenAIEndpoint]]:
    made: list[OpenAIEndpoint] = []

    def make(**fields: Any) -> OpenAIEndpoint:
        made.append(OpenAIEndpoint(server.url, **{"model": "toy", **HASTE, **fields}))
        return made[-1]

    yield make
    for model in made:
        model.close()


# --- what is sent --------------------------------------------------------------------------------


def test_a_request_is_a_chat_completion(server: ChatServer, endpoint: Any):
    request = AnswerRequest(
        prompt="Which?",
        images=(RED, Image.new("L", (2, 3), 7)),
        seed=11,
        decoding=TextDecoding(
            max_new_tokens=5, temperature=0.5, top_p=0.9, stop=("a", "", "b", "c", "d", "e")
        ),
    )
    (response,) = endpoint(extra={"top_k": 3}).answer([request])
    check_response(request, response)
    (body,) = server.bodies
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    *pictures, text = body.pop("messages")[0]["content"]
    assert text == {"type": "text", "text": "Which?"}
    shown = [opened(part["image_url"]["url"]) for part in pictures]
    assert [(image.mode, image.size) for image in shown] == [("RGB", (5, 4)), ("RGB", (2, 3))]
    assert shown[0].tobytes() == RED.tobytes()
    assert 0 <= body.pop("seed") < 2**31
    assert body == {
        "model": "toy",
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b", "c", "d"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "top_k": 3,
    }


def opened(url: str) -> Image.Image:
    start = "data:image/png;base64,"
    assert url.startswith(start)
    return Image.open(io.BytesIO(base64.b64decode(url.removeprefix(start))))


def test_a_request_without_pictures_is_plain_text(server: ChatServer, endpoint: Any):
    endpoint(max_tokens_field="max_completion_tokens").answer([ASK])
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "What colour?"}]
    assert server.bodies[0]["max_completion_tokens"] == 64
    assert server.bodies[0]["temperature"] == 0
    assert not {"max_tokens", "top_p", "stop"} & set(server.bodies[0])


def test_the_seed_is_a_function_of_the_request_s(server: ChatServer, endpoint: Any):
    model = endpoint()
    for seed in (1, 2, 1):
        model.answer([AnswerRequest(prompt="a", seed=seed)])
    first, second, again = (body["seed"] for body in server.bodies)
    assert first == again != second


def test_a_server_that_refuses_seeds_gets_none(server: ChatServer, endpoint: Any):
    model = endpoint(images=True, b64_json=False, send_seed=False)
    assert model.fingerprint().config["send_seed"] is False
    assert endpoint().fingerprint().config["send_seed"] is True
    server.bodies.clear()
    model.answer([ASK])
    model.generate_image([GenerateImageRequest(prompt="a cup", seed=3)])
    assert "seed" not in server.bodies[0]
    assert server.bodies[1] == {"model": "toy", "prompt": "a cup", "n": 1}


def test_a_local_server_needs_no_key(
    server: ChatServer, endpoint: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint().answer([ASK])
    assert "Authorization" not in server.headers[0]


def test_the_key_may_be_in_another_variable(
    server: ChatServer, endpoint: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MY_KEY", "sk-another-key")
    endpoint(key_env="MY_KEY").answer([ASK])
    assert server.headers[0]["Authorization"] == "Bearer sk-another-key"


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_with_the_server_s_counts(server: ChatServer, endpoint: Any, stream: bool):
    (response,) = endpoint(stream=stream).answer([ASK])
    assert response.text.strip() == "It is red"
    assert response.finish_reason is FinishReason.STOP
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (9, 3)
    assert response.usage.vision_tokens == 0
    assert server.bodies[0].get("stream", False) is stream


def test_prompt_tokens_of_pictures_are_not_called_text(server: ChatServer, endpoint: Any):
    request = AnswerRequest(prompt="a", images=(RED,))
    usage = endpoint().answer([request])[0].usage
    assert (usage.prompt_tokens, usage.vision_tokens) == (None, None)
    server.usage = {**server.usage, "prompt_tokens_details": {"image_tokens": 6}}
    usage = endpoint().answer([request])[0].usage
    assert (usage.prompt_tokens, usage.vision_tokens) == (3, 6)


def test_a_server_without_counts(server: ChatServer, endpoint: Any):
    server.usage = None
    usage = endpoint().answer([ASK])[0].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (None, None)


def test_the_times_are_real(server: ChatServer, endpoint: Any):
    server.answer = lambda body: "one two three four five"
    server.pause_s = 0.05
    (response,) = endpoint().answer([ASK])
    timing = response.timing
    assert 0.04 < timing.ttft_s < 0.15
    assert timing.total_s - timing.ttft_s > 0.15
    assert timing.batch_size == 1


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_is_part_of_the_time_per_token(server: ChatServer, endpoint: Any, field: str):
    """Its tokens are counted, so the clock of the first token starts with it."""

    def thinking() -> Iterator[Any]:
        for _ in range(5):
            yield {"choices": [{"index": 0, "delta": {field: "hm", "content": None}}]}
            time.sleep(0.05)
        usage = {"prompt_tokens": 1, "completion_tokens": 6}
        yield {**delta("A", "stop"), "usage": usage}

    server.faults = [lambda handler: handler.stream(thinking())]
    (response,) = endpoint().answer([ASK])
    assert (response.text, response.usage.completion_tokens) == ("A", 6)
    assert response.timing.total_s - response.timing.ttft_s >= 0.25


@pytest.mark.parametrize(("tokens", "known"), [(3, False), (1, True), (None, True)])
def test_the_first_of_several_tokens_in_one_piece_is_not_timed(
    server: ChatServer, endpoint: Any, tokens: int | None, known: bool
):
    usage = {"prompt_tokens": 9, "completion_tokens": tokens}
    server.faults = [streamed(delta(""), delta("It is red"), {**delta("", "stop"), "usage": usage})]
    (response,) = endpoint().answer([ASK])
    assert response.text == "It is red"
    assert (response.timing.ttft_s is not None) is known
    assert ("tpot" in round_scores(1.0, [response])) is False
    assert ("ttft" in round_scores(1.0, [response])) is known


def test_without_streaming_the_first_token_is_not_timed(endpoint: Any):
    timing = endpoint(stream=False).answer([ASK])[0].timing
    assert timing.ttft_s is None
    assert timing.total_s > 0


def test_a_server_that_does_not_stream_is_understood(server: ChatServer, endpoint: Any):
    message = {"role": "assistant", "content": "whole"}
    server.faults = [json_of({"choices": [{"message": message, "finish_reason": "length"}]})]
    (response,) = endpoint().answer([ASK])
    assert (response.text, response.finish_reason) == ("whole", FinishReason.LENGTH)


def test_stop_strings_are_cut_here_too(server: ChatServer, endpoint: Any):
    server.finish = "length"
    decoding = TextDecoding(stop=("1", "2", "3", "4", " red"))
    (response,) = endpoint().answer([AnswerRequest(prompt="a", decoding=decoding)])
    assert (response.text, response.finish_reason) == ("It is", FinishReason.STOP)


def test_a_refusal_is_the_model_s_answer(server: ChatServer, endpoint: Any):
    refusal = {"choices": [{"delta": {"refusal": "I won't."}, "finish_reason": "stop"}]}
    server.faults = [streamed(refusal)]
    assert endpoint().answer([ASK])[0].text == "I won't."


def test_an_empty_answer_is_an_answer(server: ChatServer, endpoint: Any):
    server.faults = [streamed(delta("", "stop"))]
    assert endpoint().answer([ASK])[0].text == ""


def test_lone_surrogates_are_no_text(server: ChatServer, endpoint: Any):
    server.faults = [streamed(rb'{"choices":[{"delta":{"content":"a\ud800"}}]}', delta("", "stop"))]
    with pytest.raises(AdapterError, match="malformed JSON"):
        endpoint().answer([ASK])


def test_requests_run_side_by_side_up_to_the_limit(server: ChatServer, endpoint: Any):
    server.pause_s = 0.03
    server.answer = text_of
    model = endpoint(concurrency=3)
    assert model.preferred_batch_size(Capability.ANSWER) == 6
    start = time.perf_counter()
    responses = model.answer([AnswerRequest(prompt=f"q{n}") for n in range(9)])
    assert time.perf_counter() - start < 9 * 0.03
    assert [response.text.strip() for response in responses] == [f"q{n}" for n in range(9)]
    assert server.most == 3


# --- faults that pass ----------------------------------------------------------------------------

PASSING = {
    "rate limit": [status(429, Retry_After="0")],
    "500 twice": [status(500), status(500)],
    "503 with a date": [status(503, Retry_After=email.utils.formatdate(0, usegmt=True))],
    "odd Retry-After": [status(502, Retry_After="soon")],
    "hang up": [hang_up],
    "cut stream": [streamed(delta("It"), done=False)],
    "cut body": [short_body],
    "slow": [hang(0.6)],
    "trickle": [trickle(20, 0.1)],
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_tried_again(server: ChatServer, endpoint: Any, name: str):
    server.faults = list(PASSING[name])
    count = len(server.faults)
    start = time.perf_counter()
    (response,) = endpoint(timeout_s=0.3).answer([ASK])
    assert response.text.strip() == "It is red"
    assert len(server.bodies) == count + 1
    assert time.perf_counter() - start < 4
    assert server.bodies[0] == server.bodies[-1], "the seed must not change from try to try"


def test_retry_after_is_honoured(server: ChatServer, endpoint: Any):
    server.faults = [status(429, Retry_After="0.4")]
    start = time.perf_counter()
    endpoint(pause_s=0.01).answer([ASK])
    assert 0.4 <= time.perf_counter() - start < 2


def test_pauses_grow(server: ChatServer, endpoint: Any):
    server.faults = [status(500)] * 3
    start = time.perf_counter()
    endpoint(pause_s=0.1).answer([ASK])
    assert 0.35 <= time.perf_counter() - start < 3  # at least half of 0.1 + 0.2 + 0.4


def test_closing_ends_a_pause(server: ChatServer, endpoint: Any):
    server.faults = [status(429, Retry_After="60")]
    model = endpoint()
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            model.answer([ASK])
        except AdapterError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not server.bodies:
        time.sleep(0.01)
    time.sleep(0.1)
    model.close()
    asking.join(5)
    assert not asking.is_alive()
    assert "closed while waiting" in str(errors[0])


# --- faults that don't ---------------------------------------------------------------------------

LASTING = {
    "bad request": ([status(400, "no such field")], "answers 400.*no such field", 1),
    "key": ([status(401)], "OPENAI_API_KEY", 1),
    "address": ([status(404)], "/v1", 1),
    "redirect": ([status(302, Location="http://127.0.0.1:9/")], "answers 302", 1),
    "server errors": ([status(500)] * 9, "after 3 attempts.*500", 3),
    "long pause": ([status(429, Retry_After="3600")], "longest_pause_s=3600", 1),
    "malformed": ([raw(b'{"choices": [', "application/json")], "malformed JSON", 1),
    "malformed stream": ([streamed(b"{oops")], "malformed JSON", 1),
    "web page": ([raw(b"<html>Welcome</html>", "text/html")], "text/html.*Welcome", 1),
    "no type": ([raw(b"hello", "")], "no content type", 1),
    "no choices": ([json_of({"choices": []})], "no choices", 1),
    "no choices streamed": ([streamed({"choices": []})], "no choices", 1),
    "null": ([json_of({"choices": [{"message": {"content": None}}]})], "no text", 1),
    "filtered": ([streamed(delta("a"), delta(None, "content_filter"))], "content_filter", 1),
    "a list": ([json_of([1])], "in place of an object", 1),
    "two choices": (
        [json_of({"choices": [{"message": {"content": text}} for text in "AB"]})],
        "more than one choice",
        1,
    ),
    "two choices streamed": (
        [streamed(delta("A"), {"choices": [{"index": 1, "delta": {"content": "B"}}]})],
        "more than one choice",
        1,
    ),
    "error in the stream": ([streamed({"error": {"message": "lost a GPU"}})], "lost a GPU", 1),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_fault_is_a_clear_error(server: ChatServer, endpoint: Any, name: str):
    server.faults, message, requests = list(LASTING[name][0]), *LASTING[name][1:]
    with pytest.raises(AdapterError, match=f"(?s){message}"):
        endpoint(attempts=3).answer([ASK])
    assert len(server.bodies) == requests


def test_a_server_that_is_not_there():
    model = OpenAIEndpoint("http://127.0.0.1:9/v1", model="toy", attempts=2, pause_s=0.01)
    with pytest.raises(AdapterError, match="after 2 attempts: ConnectError"):
        model.answer([ASK])
    model.close()


def test_beams_are_refused(endpoint: Any):
    with pytest.raises(AdapterError, match="num_beams=1"):
        endpoint().answer([AnswerRequest(prompt="a", decoding=TextDecoding(num_beams=2))])


FIXED = AnswerRequest(prompt="a", decoding=TextDecoding(max_new_tokens=5, min_new_tokens=5))


def test_a_least_length_is_refused_before_anything_is_sent(server: ChatServer, endpoint: Any):
    with pytest.raises(CapabilityError, match="min_tokens=on"):
        endpoint().answer([FIXED])
    assert server.bodies == []


def test_a_least_length_is_vllm_s_where_the_server_takes_it(server: ChatServer, endpoint: Any):
    endpoint(min_tokens=True).answer([FIXED, ASK])
    found = {body["messages"][0]["content"]: body.get("min_tokens") for body in server.bodies}
    assert found == {"a": 5, ASK.prompt: None}


def test_raw_text_is_refused(server: ChatServer, endpoint: Any):
    with pytest.raises(CapabilityError, match="raw_text"):
        endpoint().answer([AnswerRequest(prompt="a", raw=True)])
    assert server.bodies == []


def test_a_server_that_changes_its_model_is_noticed(server: ChatServer, endpoint: Any):
    model = endpoint()
    model.fingerprint()
    model.answer([ASK])
    server.model = "toy-2026-02"
    with pytest.raises(AdapterError, match=r"toy-2026-02.*toy-2026-01"):
        model.answer([ASK])


def test_what_was_answered_is_not_asked_again(server: ChatServer, endpoint: Any):
    model = endpoint(concurrency=1)
    requests = [AnswerRequest(prompt=f"q{n}") for n in range(4)]
    server.answer = text_of
    server.faults = [status(400)]
    with pytest.raises(AdapterError):
        model.answer(requests)
    assert len(server.bodies) == 4
    with pytest.raises(AdapterError):
        model.answer(requests[:2])
    with pytest.raises(AdapterError):
        model.answer(requests[:1])
    assert model.answer(requests[1:2])[0].text.strip() == "q1"
    assert [r.text.strip() for r in model.answer(requests[2:])] == ["q2", "q3"]
    assert len(server.bodies) == 4
    assert model.answer(requests[:1])[0].text.strip() == "q0"  # asked anew, it may work


# --- arguments and identity ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": ""}, "openai:http"),
        ({"path": "ftp://host"}, "no address"),
        ({"path": "http://[::1/v1"}, "no address"),
        ({"path": "http://host:abc/v1"}, "no address"),
        ({"path": "http://host:99999/v1"}, "no address"),
        ({"path": "http://host:0/v1"}, "no address"),
        ({"path": "http:///v1"}, "no address"),
        ({"model": ""}, "model=NAME"),
        ({"concurrency": 0}, "concurrency=8"),
        ({"attempts": True}, "attempts=8"),
        ({"timeout_s": -1}, "timeout_s=60"),
        ({"timeout_s": float("nan")}, "timeout_s=60"),
        ({"connect_s": float("inf")}, "connect_s=60"),
        ({"longest_pause_s": float("inf")}, "longest_pause_s=60"),
        ({"pause_s": 0}, "pause_s=60"),
        ({"stream": "yes"}, "stream=on"),
        ({"send_seed": 0}, "send_seed=on"),
        ({"extra": 3}, "top_k"),
        ({"max_tokens_field": "length"}, "max_completion_tokens"),
        ({"chat": False}, "nothing to do"),
        ({"key_env": "NOT_SET_ANYWHERE"}, "export NOT_SET_ANYWHERE"),
    ],
)
def test_impossible_arguments_are_refused(fields: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message):
        OpenAIEndpoint(**{"path": "http://127.0.0.1:9/v1", "model": "toy", **fields})


@pytest.mark.parametrize(
    "url",
    ["http://me:1/{}@host/v1", "http://{}@host/v1", "https://host/v1?key={}", "https://host/v1#{}"],
)
def test_credentials_in_the_address_are_refused_and_not_repeated(url: str):
    with pytest.raises(SpecError, match="key_env") as caught:
        OpenAIEndpoint(url.format(KEY), model="toy")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "field",
    [
        "model",
        "messages",
        "prompt",
        "n",
        "seed",
        "temperature",
        "top_p",
        "stop",
        "stream",
        "stream_options",
        "size",
        "response_format",
        "max_tokens",
        "max_completion_tokens",
    ],
)
def test_extra_fields_leave_the_protocol_alone(field: str):
    with pytest.raises(SpecError, match=f"extra can't set {field}:"):
        OpenAIEndpoint("http://127.0.0.1:9/v1", model="toy", extra={"top_k": 1, field: 2})


def test_a_key_that_no_header_can_carry(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\nX-Evil: 1")
    with pytest.raises(SpecError, match="OPENAI_API_KEY") as caught:
        OpenAIEndpoint("http://127.0.0.1:9/v1", model="toy")
    assert "Evil" not in str(caught.value)


def test_the_fingerprint_names_what_serves(server: ChatServer, endpoint: Any):
    model = endpoint()
    found = model.fingerprint()
    assert found.weights_sha256 is None
    assert found.config["endpoint"] == server.url
    assert found.config["served"] == {"model": "toy-2026-01", "system_fingerprint": "fp_1"}
    assert model.fingerprint() == found
    assert len(server.bodies) == 1, "the server is asked once"
    assert server.bodies[0]["max_tokens"] == 1
    server.system = "fp_2"
    assert endpoint().fingerprint() != found
    assert endpoint(pin_backend=False).fingerprint().config["served"] == {"model": "toy-2026-01"}


def test_the_registry_builds_it_and_reading_the_card_is_light():
    model = build_model(model_ref("openai:http://127.0.0.1:9/v1", {"model": "toy"}))
    assert model.card.capabilities == {Capability.ANSWER}
    code = (
        "import model_adapters.openai.adapter, sys; print({'httpx2', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- pictures ------------------------------------------------------------------------------------

DRAW = GenerateImageRequest(prompt="a red cup", seed=3)


def test_pictures_are_drawn(server: ChatServer, endpoint: Any):
    model = endpoint(images=True)
    assert model.card.capabilities == {Capability.ANSWER, Capability.GENERATE_IMAGE}
    sized = GenerateImageRequest(prompt="b", decoding=ImageDecoding(width=8, height=6))
    responses = model.generate_image([DRAW, sized])
    for request, response in zip((DRAW, sized), responses, strict=True):
        check_response(request, response)
        assert response.image.size == (8, 6)
    first, second = sorted(server.bodies, key=lambda body: body["prompt"])
    assert first.pop("seed") != second.pop("seed")
    assert first == {"model": "toy", "prompt": "a red cup", "n": 1, "response_format": "b64_json"}
    assert second["size"] == "8x6"


def test_a_server_that_only_draws_is_not_asked_to_chat(server: ChatServer, endpoint: Any):
    model = endpoint(images=True, chat=False, b64_json=False)
    assert model.card.capabilities == {Capability.GENERATE_IMAGE}
    model.fingerprint()
    assert server.bodies == []
    model.generate_image([DRAW])
    assert "response_format" not in server.bodies[0]


@pytest.mark.parametrize(
    ("decoding", "fault", "message"),
    [
        ({"steps": 4}, None, "takes no steps"),
        ({"width": 8}, None, "give both or neither"),
        ({"width": 16, "height": 16}, None, "drew 8x6 pixels, not 16x16"),
        ({}, json_of({"data": []}), "holds no picture"),
        ({}, json_of({"data": [{"url": "http://elsewhere"}]}), "aren't fetched"),
        ({}, json_of({"data": [{"b64_json": "no base64!"}]}), "can't be decoded"),
        ({}, json_of({"data": [{"b64_json": picture(4, 4)[:60]}]}), "can't be decoded"),
    ],
)
def test_wrong_pictures_are_clear_errors(
    server: ChatServer, endpoint: Any, decoding: dict[str, Any], fault: Any, message: str
):
    server.faults = [fault] if fault else []
    request = GenerateImageRequest(prompt="a", decoding=ImageDecoding(**decoding))
    with pytest.raises(AdapterError, match=message):
        endpoint(images=True).generate_image([request])


def test_a_model_that_does_not_draw_says_so(endpoint: Any):
    with pytest.raises(Exception, match="has no capability 'generate_image'"):
        endpoint().generate_image([DRAW])


# --- in runs, and as a judge ---------------------------------------------------------------------


def run(server: ChatServer, folder: Path, limit: int = 6, **args: Any) -> None:
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-mmbench", limit=limit),),
        model=ModelRef(name="openai", args={"path": server.url, "model": "toy", **HASTE, **args}),
        out=str(folder),
    )
    execute(spec)


def test_a_run_records_every_fault_with_its_sample(server: ChatServer, tmp_path: Path):
    server.answer = lambda body: "A"
    refuse = status(400, f"the key {KEY} may not ask this")
    server.faults = [streamed(delta("Hi", "stop")), refuse, status(500), json_of({"choices": []})]
    run(server, tmp_path / "run")
    rows = list(export_rows(tmp_path / "run"))
    wrong = [row for row in rows if row["verdict"] == "errored"]
    assert len(wrong) == 2
    assert len([row for row in rows if row["verdict"] in ("ok", "wrong")]) == len(rows) - 2


def slashed(value: Any) -> str:
    return json.dumps(value).replace("/", "\\/")


def numbered(value: Any) -> str:
    """JSON with each character of the key by its number."""
    return json.dumps(value).replace(KEY, "".join(f"\\u{ord(c):04X}" for c in KEY))


def nested(value: Any) -> str:
    """JSON whose strings hold the key as JSON within JSON has it."""
    return json.dumps(value).replace(KEY, slashed(slashed(KEY))[3:-3].replace("/", "\\/"))


def unescaped(text: str) -> str:
    """The text with each JSON escape undone, whatever its depth."""
    numbers = re.sub(r"\\+u00([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text)
    return numbers.replace("\\", "")


@pytest.mark.parametrize("encode", [json.dumps, slashed, numbered, nested])
def test_the_key_is_nowhere(
    encode: Callable[[Any], str],
    server: ChatServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    """Everything that a server could echo: refusals, web pages, answers, its own names."""
    caplog.set_level(logging.DEBUG)
    server.encode = encode
    server.model, server.system = f"toy {KEY}", f"fp {KEY}"
    server.answer = lambda body: f"A {KEY}"
    server.faults = [
        streamed({**delta("A", "stop"), "model": f"toy {KEY}", "system_fingerprint": KEY}),
        status(401, f"Incorrect API key provided: {KEY}"),
        raw(f"<html>{encode(KEY)}</html>".encode(), "text/html"),
        raw(b"odd", f"text/{KEY}"),
        streamed({"error": {KEY: f"bad key {KEY}"}}),
        streamed(f"{{oops {encode(KEY)}".encode()),
        status(500, KEY),
        streamed(delta(f"B {KEY[:9]}"), delta(KEY[9:], "stop"), done=True),
    ]
    command = ["run", "--task", "shapes-mmbench", "--limit", "9", "--out", str(tmp_path / "run")]
    model = ["--model", f"openai:{server.url}", "--model-arg", "model=toy"]
    haste = ["--model-arg", "pause_s=0.01"]
    done = [
        subprocess.run(
            [sys.executable, "-m", "harness.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )
        for arguments in (
            [*command, *model, *haste],
            ["leaderboard", str(tmp_path / "run"), "--format", "html"],
            ["show", str(tmp_path / "run"), "--task", "shapes-mmbench"],
        )
    ]
    assert (tmp_path / "run" / "manifest.json").exists(), done[0].stderr
    kept = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(kept) > 1
    holding = [p for p in kept if KEY in unescaped(p.read_text("utf-8", errors="replace"))]
    assert holding == []
    assert all(KEY not in unescaped(one.stdout + one.stderr) for one in done)
    texts = [str(row["text"]) for row in export_rows(tmp_path / "run")]
    assert any("[OPENAI_API_KEY]" in text for text in texts), "the server's echo must have come"
    assert len([h for h in server.headers if h.get("Authorization") == f"Bearer {KEY}"]) >= 8
    assert KEY not in unescaped(caplog.text + "".join(capfd.readouterr()))


@pytest.mark.parametrize("encode", [slashed, numbered, nested])
def test_the_key_is_not_in_a_name_or_an_error(
    server: ChatServer, endpoint: Any, encode: Callable[[Any], str]
):
    server.encode, server.model = encode, f"toy {KEY}"
    model = endpoint()
    assert model.fingerprint().config["served"]["model"] == "toy [OPENAI_API_KEY]"
    for fault in (status(401, KEY), json_of({"error": {KEY: KEY}}), streamed({"error": KEY})):
        server.faults = [fault]
        with pytest.raises(AdapterError) as caught:
            model.answer([ASK])
        assert "[OPENAI_API_KEY]" in str(caught.value)
        assert KEY not in unescaped(str(caught.value))


@given(st.data())
def test_the_key_is_found_however_it_is_escaped(data: st.DataObject):
    spellings = [
        data.draw(st.sampled_from([c, "\\" + c, f"\\u{ord(c):04x}", f"\\\\u{ord(c):04X}"]))
        for c in KEY
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPELLED_KEY", KEY)
        secret = Secret("SPELLED_KEY")
    assert secret.hide(f"a{''.join(spellings)}b") == "a[SPELLED_KEY]b"


def test_an_answer_nested_without_end_is_an_error(server: ChatServer, endpoint: Any):
    server.faults = [raw(b"[" * 100_000, "application/json")]
    with pytest.raises(AdapterError, match="malformed JSON"):
        endpoint().answer([ASK])


def test_a_second_ctrl_c_does_not_wait_for_the_server(server: ChatServer, tmp_path: Path):
    server.faults = [json_of({"choices": [{"message": {"content": "A"}}]}), *[hang(40)] * 8]
    command = ["run", "--task", "shapes-mmbench", "--limit", "4", "--out", str(tmp_path / "run")]
    model = ["--model", f"openai:{server.url}", "--model-arg", "model=toy"]
    running = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *command, *model],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: server.running > 1)
        running.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert running.poll() is None, "the first one lets the batch end"
        start = time.perf_counter()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    finally:
        running.kill()
    assert time.perf_counter() - start < 15
    assert running.returncode == 130, said
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "interrupted"


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C as Python has it; shells let programs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_a_call_after_an_interrupted_one_has_its_own_connections(server: ChatServer, endpoint: Any):
    server.faults = [hang(8)] * 2
    model = endpoint(concurrency=2, timeout_s=10)
    main = threading.main_thread().ident
    interrupt = threading.Timer(1.0, signal.pthread_kill, [main, signal.SIGINT])
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        model.answer([AnswerRequest(prompt=f"q{n}") for n in range(6)])
    start = time.perf_counter()
    assert model.answer([ASK])[0].text.strip() == "It is red"
    assert time.perf_counter() - start < 4
    assert len(server.bodies) == 3, "nothing more of the interrupted call is sent"


def test_the_key_is_not_in_what_python_shows(endpoint: Any):
    model = endpoint()
    model.answer([ASK])
    assert KEY not in repr(model) + repr(vars(model)) + json.dumps(model.fingerprint().config)


def test_a_resumed_run_asks_only_for_the_rest(server: ChatServer, tmp_path: Path):
    server.answer = lambda body: "A"
    run(server, tmp_path / "run")
    asked = len(server.bodies)
    run(server, tmp_path / "run")
    assert len(server.bodies) == asked + 1  # who serves


def test_it_judges(server: ChatServer):
    server.answer = lambda body: "yes" if "cup" in text_of(body) else "no"
    judge = VQAJudge(f"openai:{server.url}", "{question}", {"model": "toy", **HASTE})
    answers = judge.ask([Question(RED, "Is there a cup?"), Question(RED, "Is there a dog?")])
    assert [answer.strip() for answer in answers] == ["yes", "no"]
    assert KEY not in str(judge.identity())


# --- the event stream ----------------------------------------------------------------------------


@given(st.data())
def test_events_do_not_depend_on_where_the_stream_is_cut(data: st.DataObject):
    texts = data.draw(st.lists(st.text("aé\u2028{}: ", min_size=1), max_size=5))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    stream = "".join(f": note{end}data: {text}{end}id: 1{end}{end}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    places = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(places)]
    assert [event.decode() for event in events(chunks)] == texts


def test_data_of_several_lines_is_one_event():
    assert list(events([b"data: a\ndata: b\n\ndata:c"])) == [b"a\nb", b"c"]
