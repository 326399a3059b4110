"""Tiny random vision-language models of several families, driven by `hf-vlm`.

Answers don't depend on the batch. Log-likelihoods are sums over a plain forward pass, to 1e-4 nats.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import (
    AdapterError,
    CapabilityError,
    CheckpointError,
    OutOfMemoryError,
    SpecError,
)
from harness.ledger.export import export_rows
from harness.models import build_model, model_ref
from harness.records import (
    AnswerRequest,
    Capability,
    FinishReason,
    LogLikelihoodRequest,
    TextDecoding,
)
from harness.run import execute
from harness.run.contract import check_response
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.hf_vlm import responses
from model_adapters.hf_vlm.adapter import HFVisionLanguage
from tasks.probes.inputs import picture
from tests.adapters.tiny_vlms import CONTEXT, EOS, FAMILIES, save_tiny_vlm

NATS = 1e-4
"""Nats by which a log-likelihood may differ between batch shapes, or from another way to sum."""

SHORT = TextDecoding(max_new_tokens=6)
PROMPTS = ("a", "what is in the picture, and of which colour is it?", "yes or no?")
BROKEN = "\N{REPLACEMENT CHARACTER}"
IMAGES = tuple(picture(seed, 20 + 9 * seed, 30 - 4 * seed) for seed in range(5))
COUNTS = (0, 1, 2)
"""Pictures per request."""

each_family = pytest.mark.parametrize("family", FAMILIES)
each_count = pytest.mark.parametrize("count", COUNTS)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def make(family: str) -> Path:
        return save_tiny_vlm(tmp_path_factory.mktemp(family), family)

    return make


@pytest.fixture(scope="session")
def adapters(folders: Any) -> Any:
    return cache(lambda family: HFVisionLanguage(str(folders(family)), device="cpu"))


@pytest.fixture(scope="session")
def adapter(adapters: Any) -> HFVisionLanguage:
    return adapters("qwen2_vl")


@pytest.fixture
def copied(folders: Any, tmp_path: Path) -> Path:
    return shutil.copytree(folders("qwen2_vl"), tmp_path / "copy")


def questions(count: int, **fields: Any) -> list[AnswerRequest]:
    return [
        AnswerRequest(
            prompt=prompt, images=IMAGES[n : n + count], seed=n, **{"decoding": SHORT} | fields
        )
        for n, prompt in enumerate(PROMPTS)
    ]


def likelihood_requests(count: int, continuations: Sequence[str]) -> list[LogLikelihoodRequest]:
    return [
        LogLikelihoodRequest(
            prompt=prompt, images=IMAGES[n : n + count], continuations=tuple(continuations)
        )
        for n, prompt in enumerate(PROMPTS)
    ]


def texts(responses: Sequence[Any]) -> list[str]:
    return [response.text for response in responses]


def one_by_one(adapter: HFVisionLanguage, requests: Sequence[AnswerRequest]) -> list[Any]:
    return [adapter.answer([request])[0] for request in requests]


@torch.no_grad()
def plain_logits(adapter: HFVisionLanguage, request: Any, added: Sequence[int] = ()) -> Any:
    """Logits of one row and no cache, from the processor's own tensors."""
    checkpoint = adapter._checkpoint
    pictures = [{"type": "image", "image": image} for image in request.images]
    content = [*pictures, {"type": "text", "text": request.prompt}]
    inputs = dict(
        checkpoint.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
    )
    for name in ("input_ids", "attention_mask", "mm_token_type_ids"):
        if name in inputs:
            fill = (
                list(added) if name == "input_ids" else [int(name == "attention_mask")] * len(added)
            )
            inputs[name] = torch.cat([inputs[name], torch.tensor([fill]).long()], dim=1)
    if hasattr(checkpoint.model.model, "rope_deltas"):
        checkpoint.model.model.rope_deltas = None
    return checkpoint.model(**inputs, use_cache=False).logits[0]


def plain_greedy(adapter: HFVisionLanguage, request: AnswerRequest) -> str:
    """Greedy decoding that reads everything again for every token."""
    checkpoint, ids = adapter._checkpoint, []
    while len(ids) < request.decoding.max_new_tokens:
        ids.append(int(plain_logits(adapter, request, ids)[-1].argmax()))
        if ids[-1] in checkpoint.stop_ids:
            break
    return checkpoint.processor.tokenizer.decode(ids, skip_special_tokens=True)


def plain_likelihood(adapter: HFVisionLanguage, request: Any, text: str) -> float:
    ids = adapter._checkpoint.processor.tokenizer.encode(text, add_special_tokens=False)
    logits = plain_logits(adapter, request, ids).log_softmax(-1)
    start = len(logits) - len(ids) - 1
    return sum(float(logits[start + n, token]) for n, token in enumerate(ids))


# --- every family --------------------------------------------------------------------------------


@each_family
@each_count
def test_answers_are_those_of_plain_greedy_decoding(adapters: Any, family: str, count: int):
    adapter, requests = adapters(family), questions(count)
    responses = adapter.answer(requests)
    assert texts(responses) == [plain_greedy(adapter, request) for request in requests]
    assert len(set(texts(responses))) > 1, "the model must not say the same whatever it's asked"


@each_family
@each_count
def test_answers_do_not_depend_on_the_batch(adapters: Any, family: str, count: int):
    adapter, requests = adapters(family), questions(count)
    together, alone = adapter.answer(requests), one_by_one(adapter, requests)
    for first, second in zip(together, alone, strict=True):
        assert first.text == second.text
        assert first.usage == second.usage
        assert first.finish_reason == second.finish_reason


@each_family
def test_samples_do_not_depend_on_the_batch(adapters: Any, family: str):
    adapter = adapters(family)
    requests = questions(1, decoding=TextDecoding(max_new_tokens=6, temperature=1.0, top_p=0.95))
    together = texts(adapter.answer(requests))
    assert together == texts(one_by_one(adapter, requests))
    assert together == texts(adapter.answer(requests[::-1]))[::-1]
    other = [msgspec.structs.replace(request, seed=request.seed + 99) for request in requests]
    assert together != texts(adapter.answer(other))


@each_family
@each_count
def test_likelihoods_are_sums_over_a_plain_forward_pass(adapters: Any, family: str, count: int):
    adapter = adapters(family)
    requests = likelihood_requests(count, ("a", "red", "yes, it is", "b"))
    for request, response in zip(requests, adapter.loglikelihood(requests), strict=True):
        check_response(request, response)
        want = [plain_likelihood(adapter, request, text) for text in request.continuations]
        assert response.loglikelihoods == pytest.approx(want, abs=NATS)


@each_family
def test_likelihoods_of_mixed_numbers_of_continuations(adapters: Any, family: str):
    adapter = adapters(family)
    first, second, third = likelihood_requests(1, ("a",))
    requests = [first, msgspec.structs.replace(second, continuations=("x", "yz", "abc")), third]
    together = adapter.loglikelihood(requests)
    for request, response in zip(requests, together, strict=True):
        (alone,) = adapter.loglikelihood([request])
        assert response.loglikelihoods == pytest.approx(alone.loglikelihoods, abs=NATS)


@each_family
def test_pictures_count(adapters: Any, family: str):
    adapter = adapters(family)
    ask = questions(2)[0]
    swapped = msgspec.structs.replace(ask, images=ask.images[::-1])
    scores = [
        adapter.loglikelihood(
            [
                LogLikelihoodRequest(
                    prompt=one.prompt, images=one.images, continuations=("red", "blue")
                )
            ]
        )[0].loglikelihoods
        for one in (ask, swapped)
    ]
    assert scores[0] != pytest.approx(scores[1], abs=1e-2)


@each_family
def test_the_account_is_what_an_answer_uses(adapters: Any, family: str):
    adapter = adapters(family)
    for image in IMAGES[:3]:
        account = adapter.vision_tokens(*image.size)
        request = AnswerRequest(prompt="a", images=(image,), decoding=SHORT)
        assert adapter.answer([request])[0].usage.vision_tokens == account.llm_tokens > 0
        assert account.patches >= account.llm_tokens or family == "llava_onevision"
        assert account.patches % 4 == 0
    assert adapter.answer([AnswerRequest(prompt="a", decoding=SHORT)])[0].usage.vision_tokens == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_and_phases_are_watched(adapters: Any, family: str):
    model = adapters(family)
    request = questions(1)[0]
    with model.watch_components(count=False) as timed:
        (response,) = model.answer([request])
    tokens = response.usage.completion_tokens
    assert {"vision", "llm/prefill", "llm/decode", "lm_head"} <= set(timed)
    assert timed["llm/prefill"].calls == 1
    assert timed["llm/decode"].calls in (tokens - 1, tokens)
    with model.watch_components(count=True) as counted:
        model.answer([request])
    assert {name: one.calls for name, one in counted.items()} == {
        name: one.calls for name, one in timed.items()
    }
    assert all(one.flops > 0 for one in counted.values())
    assert counted["llm/decode"].cache_bytes > counted["llm/prefill"].cache_bytes > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prefill_fills_the_cache_of_the_account(adapters: Any, family: str):
    model = adapters(family)
    account = model.vision_tokens(56, 56)
    assert model.prefill(account.llm_tokens) == account.kv_cache_bytes


def test_pictures_that_a_model_does_not_mark_are_not_counted_as_none(
    adapter: HFVisionLanguage, monkeypatch: pytest.MonkeyPatch
):
    unmarked = adapter._checkpoint._replace(image_token_id=None)
    monkeypatch.setattr(adapter, "_checkpoint", unmarked)
    shown, bare = (adapter.answer(questions(count)[:1])[0].usage for count in (1, 0))
    assert (shown.vision_tokens, shown.prompt_tokens) == (None, None)
    assert bare.vision_tokens == 0
    with pytest.raises(AdapterError, match="can't be counted"):
        adapter.vision_tokens(20, 30)


@each_family
def test_calls_leave_nothing_behind(adapters: Any, family: str):
    adapter = adapters(family)
    scores = likelihood_requests(0, ("yes", "no"))
    before = adapter.loglikelihood(scores), texts(adapter.answer(questions(0)))
    adapter.answer(questions(2, decoding=TextDecoding(max_new_tokens=9, temperature=2.0)))
    adapter.loglikelihood(likelihood_requests(1, ("yes", "no")))
    after = adapter.loglikelihood(scores), texts(adapter.answer(questions(0)))
    assert [r.loglikelihoods for r in before[0]] == [r.loglikelihoods for r in after[0]]
    assert before[1] == after[1]


# --- decoding ------------------------------------------------------------------------------------


def test_what_the_checkpoint_asks_for_is_not_taken_over(adapter: HFVisionLanguage, folders: Any):
    stored = json.loads((folders("qwen2_vl") / "generation_config.json").read_text())
    assert stored["repetition_penalty"] == 1.05, "the test needs a checkpoint with its own settings"
    assert adapter._checkpoint.model.generation_config.repetition_penalty in (None, 1.0)
    assert adapter.fingerprint().defaults["repetition_penalty"] == 1.0


def test_top_p_of_almost_nothing_is_greedy(adapter: HFVisionLanguage):
    narrow = TextDecoding(max_new_tokens=6, temperature=1.0, top_p=1e-6)
    assert texts(adapter.answer(questions(1, decoding=narrow))) == texts(
        adapter.answer(questions(1))
    )


def test_a_stop_string_ends_one_row_and_no_other(adapter: HFVisionLanguage):
    long = TextDecoding(max_new_tokens=12)
    whole = adapter.answer(questions(1, decoding=long))
    stop = next(
        c for c in whole[0].text[3:] if c not in whole[1].text + "\N{REPLACEMENT CHARACTER}"
    )
    cut = adapter.answer(questions(1, decoding=TextDecoding(max_new_tokens=12, stop=("", stop))))
    assert cut[0].text == whole[0].text[: whole[0].text.index(stop)]
    assert cut[0].finish_reason is FinishReason.STOP
    assert cut[0].usage.completion_tokens < 12
    assert cut[1].text == whole[1].text
    assert cut[1].finish_reason is FinishReason.LENGTH


def test_an_end_token_ends_one_row_and_no_other(copied: Path):
    adapter = HFVisionLanguage(str(copied), device="cpu")
    whole = adapter.answer(questions(1))
    row = adapter._checkpoint.processor.tokenizer
    ids = plain_logits(adapter, questions(1)[0]).argmax(-1)
    settings = {"eos_token_id": [int(ids[-1]), row.convert_tokens_to_ids(EOS)]}
    (copied / "generation_config.json").write_text(json.dumps(settings))
    ended = HFVisionLanguage(str(copied), device="cpu").answer(questions(1))
    assert ended[0].finish_reason is FinishReason.STOP
    assert ended[0].usage.completion_tokens == 1
    assert ended[1].text == whole[1].text


def test_the_limit_of_tokens_is_reported(adapter: HFVisionLanguage):
    (response,) = adapter.answer(questions(1, decoding=TextDecoding(max_new_tokens=2))[:1])
    assert response.finish_reason is FinishReason.LENGTH
    assert response.usage.completion_tokens == 2


def test_each_row_has_the_room_that_its_own_prompt_leaves(adapter: HFVisionLanguage):
    (bare,) = adapter.answer([AnswerRequest(prompt="", decoding=SHORT)])
    room = CONTEXT - bare.usage.prompt_tokens
    requests = [
        AnswerRequest(prompt="x" * length, decoding=TextDecoding(max_new_tokens=4))
        for length in (room - 2, 3)
    ]
    full, free = adapter.answer(requests)
    assert full.finish_reason is FinishReason.CONTEXT
    assert full.usage.completion_tokens == 2
    assert free.finish_reason is FinishReason.LENGTH
    assert free.usage.completion_tokens == 4
    assert free.text == adapter.answer(requests[1:])[0].text


def test_a_prompt_beyond_the_context_is_named(adapter: HFVisionLanguage):
    requests = [AnswerRequest(prompt="short"), AnswerRequest(prompt="x" * CONTEXT)]
    with pytest.raises(AdapterError, match=r"row 1.*the context\s+holds 1024"):
        adapter.answer(requests)
    long = LogLikelihoodRequest(prompt="x" * (CONTEXT - 40), continuations=("a", "y" * 60))
    with pytest.raises(AdapterError, match="row 0: prompt and continuation 1"):
        adapter.loglikelihood([long])


def test_beams_find_answers_at_least_as_likely(adapter: HFVisionLanguage):
    for request in questions(1):
        greedy = adapter.answer([request])[0].text
        wide = msgspec.structs.replace(
            request, decoding=TextDecoding(max_new_tokens=6, num_beams=4)
        )
        (found,) = adapter.answer([wide])
        assert found.timing.ttft_s is None
        assert found.usage.completion_tokens == 6
        if BROKEN not in greedy + found.text:
            scored = adapter.loglikelihood(
                [
                    LogLikelihoodRequest(
                        prompt=request.prompt,
                        images=request.images,
                        continuations=(greedy, found.text),
                    )
                ]
            )[0].loglikelihoods
            assert scored[1] >= scored[0] - NATS


def test_beams_do_not_depend_on_the_batch(adapter: HFVisionLanguage):
    requests = questions(1, decoding=TextDecoding(max_new_tokens=6, num_beams=3))
    assert texts(adapter.answer(requests)) == texts(one_by_one(adapter, requests))


@pytest.mark.parametrize("decoding", [{}, {"temperature": 1.0}, {"num_beams": 2}])
def test_no_answer_ends_before_it_may(adapter: HFVisionLanguage, decoding: dict[str, Any]):
    """All ids but a few end an answer, so that only the bound keeps one going."""
    whole = adapter._checkpoint
    size = whole.model.get_output_embeddings().weight.shape[0]
    adapter._checkpoint = whole._replace(stop_ids=tuple(range(3, size)))
    try:
        for least, counts in ((0, {1, 2, 3, 4, 5, 6}), (6, {6})):
            asked = TextDecoding(max_new_tokens=6, min_new_tokens=least, **decoding)
            found = adapter.answer(questions(1, decoding=asked))
            assert {one.usage.completion_tokens for one in found} <= counts
            if least:
                assert {one.finish_reason for one in found} == {FinishReason.LENGTH}
            else:
                assert min(one.usage.completion_tokens for one in found) < 6
    finally:
        adapter._checkpoint = whole


def test_beams_with_a_temperature_are_refused(adapter: HFVisionLanguage):
    with pytest.raises(AdapterError, match="num_beams=1"):
        adapter.answer(questions(0, decoding=TextDecoding(num_beams=2, temperature=1.0)))


def test_time_to_first_token_is_real(adapter: HFVisionLanguage):
    (response,) = adapter.answer(questions(1, decoding=TextDecoding(max_new_tokens=40))[:1])
    assert response.usage.completion_tokens == 40
    assert 0 < response.timing.ttft_s < 0.6 * response.timing.total_s


def test_the_global_generator_is_left_alone(adapter: HFVisionLanguage):
    torch.manual_seed(5)
    state = torch.get_rng_state().clone()
    adapter.answer(questions(1, decoding=TextDecoding(max_new_tokens=4, temperature=1.0)))
    assert torch.equal(torch.get_rng_state(), state)


# --- prompts -------------------------------------------------------------------------------------


def test_a_control_token_in_a_prompt_is_text(adapter: HFVisionLanguage):
    plain, marked = adapter.answer(
        [AnswerRequest(prompt=prompt, decoding=SHORT) for prompt in ("ab", f"a{EOS}b")]
    )
    assert marked.usage.prompt_tokens - plain.usage.prompt_tokens == len(EOS)
    shown = AnswerRequest(prompt="<|image_pad|>", images=IMAGES[:1], decoding=SHORT)
    assert (
        adapter.answer([shown])[0].usage.vision_tokens == adapter.vision_tokens(20, 30).llm_tokens
    )


def test_batches_hold_prompts_of_one_kind(adapter: HFVisionLanguage):
    prompts = [("a", 0), ("b", 0), ("c", 2), (f"d{EOS}", 0)]
    keys = [
        adapter.batch_key(AnswerRequest(prompt=prompt, images=IMAGES[:count]))
        for prompt, count in prompts
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_control_token_that_cannot_be_text_is_refused(adapters: Any):
    with pytest.raises(AdapterError, match="control token"):
        adapters("idefics3").answer([AnswerRequest(prompt="<image>", decoding=SHORT)])


def test_a_continuation_without_tokens_is_refused(adapter: HFVisionLanguage):
    with pytest.raises(AdapterError, match="continuation 1 has no tokens"):
        adapter.loglikelihood([LogLikelihoodRequest(prompt="a", continuations=("b", ""))])


def test_a_picture_shared_by_continuations_is_seen_once(adapter: HFVisionLanguage):
    seen: list[int] = []
    hook = adapter._checkpoint.model.model.visual.register_forward_hook(
        lambda module, args, out: seen.append(1)
    )
    adapter.loglikelihood(likelihood_requests(1, ("a", "bcd", "ef")))
    hook.remove()
    assert seen == [1]


def test_raw_text_is_refused(adapter: HFVisionLanguage):
    with pytest.raises(CapabilityError, match="raw_text"):
        adapter.answer([AnswerRequest(prompt="a", raw=True)])
    with pytest.raises(CapabilityError, match="raw_text"):
        adapter.loglikelihood([LogLikelihoodRequest(prompt="a", continuations=("b",), raw=True)])


# --- loading -------------------------------------------------------------------------------------


def test_reading_the_card_imports_no_torch():
    code = (
        "import model_adapters.hf_vlm.adapter, sys; "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_registry_builds_it(folders: Any):
    model = build_model(model_ref(f"hf-vlm:{folders('qwen2_vl')}", {"device": "cpu"}))
    assert isinstance(model, HFVisionLanguage)
    assert {Capability.ANSWER, Capability.LOGLIKELIHOOD} <= model.card.capabilities


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dtype", "int8", "float32, bfloat16, float16"),
        ("device", "tpu", "write cpu"),
        ("extra_tensors", "keep", "refuse, ignore"),
    ],
)
def test_impossible_arguments_are_refused(folders: Any, name: str, value: str, message: str):
    with pytest.raises(SpecError, match=message):
        HFVisionLanguage(str(folders("qwen2_vl")), **{name: value})


def test_an_unknown_attention_is_refused(folders: Any):
    with pytest.raises(CheckpointError, match="attn_implementation"):
        HFVisionLanguage(str(folders("qwen2_vl")), attn_implementation="quantum")


def test_attention_can_be_chosen(folders: Any, adapter: HFVisionLanguage):
    eager = HFVisionLanguage(str(folders("qwen2_vl")), device="cpu", attn_implementation="eager")
    assert texts(eager.answer(questions(1))) == texts(adapter.answer(questions(1)))
    assert eager.fingerprint().config["attention"] == "eager"
    assert eager.fingerprint().weights_sha256 == adapter.fingerprint().weights_sha256


def test_a_model_without_a_checkpoint_says_how_to_name_one():
    with pytest.raises(CheckpointError, match="hf-vlm:FOLDER"):
        HFVisionLanguage()


def without(*names: str) -> Any:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def rewritten(change: Any) -> Any:
    def write(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return write


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def of_another_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))


def with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    names = dict.fromkeys(("AutoConfig", "AutoModelForImageTextToText"), "own.Model")
    config |= {"model_type": "own_model", "auto_map": names}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('code of a checkpoint ran')")


NORM = "model.language_model.norm.weight"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (without("config.json"), r"config\.json is missing"),
        (without("model.safetensors"), "no weights as safetensors"),
        (pickled, r"pytorch_model\.bin is a pickle"),
        (truncated, "truncated"),
        (
            rewritten(lambda t: t.pop(next(n for n in t if n.endswith("norm.weight")))),
            "lack tensor",
        ),
        (rewritten(lambda t: t.update(odd=torch.zeros(2))), "tensor odd, which"),
        (
            rewritten(lambda t: t.update({"lm_head.weight": torch.zeros(2, 2)})),
            r"lm_head\.weight has shape \(2, 2\), but config\.json asks for \(\d+, 32\)",
        ),
        (of_another_kind, "AutoModelForImageTextToText"),
        (with_code, "without code of its own"),
        (without("chat_template.jinja"), "no chat template"),
        (without("tokenizer.json"), "has no tokenizer"),
    ],
)
def test_wrong_files_are_refused_by_name(copied: Path, harm: Any, message: str):
    harm(copied)
    with pytest.raises(CheckpointError, match=message) as caught:
        HFVisionLanguage(str(copied), device="cpu")
    assert str(copied) in str(caught.value)


def test_extra_tensors_can_be_ignored(copied: Path, adapter: HFVisionLanguage):
    rewritten(lambda tensors: tensors.update(odd=torch.zeros(2)))(copied)
    model = HFVisionLanguage(str(copied), device="cpu", extra_tensors="ignore")
    assert model.fingerprint().weights_sha256 == adapter.fingerprint().weights_sha256


def test_memory_that_runs_out_is_told_in_the_harness_s_words(
    adapter: HFVisionLanguage, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(responses, "decode", full)
    with pytest.raises(OutOfMemoryError, match=r"3 requests.*\n.*--batch-size"):
        adapter.answer(questions(1))


# --- identity ------------------------------------------------------------------------------------


def test_the_fingerprint_can_be_stored_and_knows_no_path(
    adapter: HFVisionLanguage, copied: Path, folders: Any
):
    fingerprint = adapter.fingerprint()
    text = msgspec.json.encode(fingerprint)
    assert msgspec.json.decode(text, type=type(fingerprint)) == fingerprint
    assert str(folders("qwen2_vl")).encode() not in text
    assert HFVisionLanguage(str(copied), device="cpu").fingerprint() == fingerprint
    assert fingerprint.parameters == sum(p.numel() for p in adapter._checkpoint.model.parameters())


@pytest.mark.parametrize(
    "change",
    [
        rewritten(lambda tensors: next(iter(tensors.values())).view(-1)[0].add_(1e-3)),
        lambda folder: (folder / "chat_template.jinja").write_text(
            (folder / "chat_template.jinja").read_text().replace("user", "human") + " "
        ),
    ],
)
def test_what_changes_responses_changes_the_fingerprint(
    adapter: HFVisionLanguage, copied: Path, change: Any
):
    change(copied)
    assert HFVisionLanguage(str(copied), device="cpu").fingerprint() != adapter.fingerprint()


# --- in runs -------------------------------------------------------------------------------------


def rows_of(folder: Path, model: Path, **fields: Any) -> dict[str, Any]:
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-mmbench", limit=12), TaskRef(task="probe-tokens", limit=2)),
        model=ModelRef(name="hf-vlm", args={"path": str(model), "device": "cpu"}),
        out=str(folder),
        **fields,
    )
    execute(spec)
    return {f"{row['task']}/{row['id']}/{row['k']}": row for row in export_rows(folder)}


@pytest.mark.parametrize("family", ["qwen3_vl", "internvl"])
def test_runs_do_not_depend_on_the_batch_size(folders: Any, tmp_path: Path, family: str):
    one = rows_of(tmp_path / "one", folders(family), batch_size=1)
    many = rows_of(tmp_path / "many", folders(family), batch_size=5)
    assert one.keys() == many.keys()
    assert {name: row["text"] for name, row in one.items()} == {
        name: row["text"] for name, row in many.items()
    }
    assert {row["verdict"] for row in one.values()} <= {"ok", "wrong", "unparsed"}
    probed = [row for name, row in one.items() if name.startswith("probe-tokens")]
    assert probed
    assert {row["verdict"] for row in probed} == {"ok"}, probed[0]["reason"]
