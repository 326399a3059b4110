"""Causal language models: batches change nothing, limits hold, checkpoints are checked."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from harness.errors import AdapterError, CapabilityError, CheckpointError, SpecError
from harness.records import (
    AnswerRequest,
    FinishReason,
    LogLikelihoodRequest,
    TextDecoding,
)
from harness.run.contract import check_response
from model_adapters.hf_lm.adapter import HFLanguageModel
from tests.language import tiny

NATS = 1e-4
WORDS = st.lists(st.sampled_from(["the", "fox", "over", "a", "sea", "2", "?"]), max_size=9)
TEXT = WORDS.map(" ".join)
CASES = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> HFLanguageModel:
    return HFLanguageModel(str(checkpoint), device="cpu")


def say(model: HFLanguageModel, *prompts: str, seed: int = 0, raw: bool = True, **decoding: Any):
    given = TextDecoding(**{"max_new_tokens": 10, **decoding})
    return model.answer(
        [AnswerRequest(prompt=p, decoding=given, seed=seed, raw=raw) for p in prompts]
    )


def alone(model: HFLanguageModel, request: LogLikelihoodRequest) -> list[tuple[float, bool]]:
    """The plain way: one text at a time, no batch, no cut, no sharing."""
    lm, found = model._lm, []
    for context, continuation in request.pairs():
        before = model._encode(context.rstrip()) if context else [0]
        text = context + continuation
        ids = model._encode(text) if context else [0, *model._encode(continuation)]
        with torch.no_grad():
            scores = lm.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        targets = ids[len(before) :]
        rows = scores[len(before) - 1 : len(ids) - 1]
        total = sum(rows[i, token].item() for i, token in enumerate(targets))
        found.append((total, rows.argmax(-1).tolist() == targets))
    return found


@CASES
@given(st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=4)), min_size=1, max_size=5))
def test_likelihoods_are_those_of_each_text_alone(model: HFLanguageModel, asked: Any):
    requests = [
        LogLikelihoodRequest(
            prompt=context, continuations=tuple(f" {text}" for text in texts), raw=True
        )
        for context, texts in asked
    ]
    for request, response in zip(requests, model.loglikelihood(requests), strict=True):
        check_response(request, response)
        values, greedy = zip(*alone(model, request), strict=True)
        assert response.loglikelihoods == pytest.approx(values, abs=NATS)
        assert response.is_greedy == greedy


def test_what_the_model_says_itself_is_greedy(model: HFLanguageModel):
    found = []
    for prompt in (f"{start} {word}" for start in ("The", "A", "1") for word in ("fox", "sea")):
        (said,) = say(model, prompt, max_new_tokens=1)
        request = LogLikelihoodRequest(
            prompt=prompt, continuations=(said.text, " something else"), raw=True
        )
        if len(model._encode(prompt + said.text)) == len(model._encode(prompt)) + 1:
            found.append(model.loglikelihood([request])[0].is_greedy)
    assert set(found) == {(True, False)}  # where the text is one token again


def test_continuations_that_differ_in_their_last_token_share_a_pass(model: HFLanguageModel):
    rows: list[int] = []
    hook = model._lm.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    texts = tuple("XYZQ")
    request = LogLikelihoodRequest(prompt="Answer:", continuations=texts, raw=True)
    model.loglikelihood([request, request])
    hook.remove()
    assert len({tuple(model._encode(f"Answer:{text}"))[:-1] for text in texts}) == sum(rows) == 1


def test_a_batch_reads_no_more_sequences_at_once_than_it_has_requests(model: HFLanguageModel):
    rows: list[int] = []
    hook = model._lm.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    texts = tuple(" fox" * n for n in range(1, 6))
    requests = [
        LogLikelihoodRequest(prompt=f"{n} plus", continuations=texts, raw=True) for n in range(2)
    ]
    model.loglikelihood(requests)
    hook.remove()
    assert sum(rows) == 10
    assert max(rows) == 2


def test_rolling_texts_add_up_their_windows(model: HFLanguageModel):
    """A text that fits is one window; a longer one, by hand, two."""
    (short,) = model.loglikelihood(
        [LogLikelihoodRequest(prompt="", continuations=("a sea",), rolling=True, raw=True)]
    )
    bare = LogLikelihoodRequest(prompt="", continuations=("a sea",), raw=True)
    assert short.loglikelihoods == pytest.approx([alone(model, bare)[0][0]], abs=NATS)
    text = "the sea and the river " * 9
    ids = model._encode(text)
    assert 64 < len(ids) < 128
    with torch.no_grad():
        first = model._lm.model(torch.tensor([[0, *ids[:63]]])).logits[0].log_softmax(-1)
        second = model._lm.model(torch.tensor([ids[-65:-1]])).logits[0].log_softmax(-1)
    total = sum(first[i, token].item() for i, token in enumerate(ids[:64]))
    rest = ids[64:]
    total += sum(second[64 - len(rest) + i, token].item() for i, token in enumerate(rest))
    request = LogLikelihoodRequest(prompt="", continuations=(text, ""), rolling=True, raw=True)
    assert model.loglikelihood([request])[0].loglikelihoods == pytest.approx((total, 0), abs=1e-3)


@CASES
@given(st.lists(TEXT.filter(bool), min_size=2, max_size=6), st.sampled_from(["e", " ", "th", "\n"]))
def test_texts_are_those_of_each_prompt_alone(
    model: HFLanguageModel, prompts: list[str], stop: str
):
    together = say(model, *prompts, stop=(stop,))
    assert [r.text for r in together] == [
        say(model, prompt, stop=(stop,))[0].text for prompt in prompts
    ]
    assert not any(stop in response.text for response in together)


def test_a_row_ends_where_it_ended_and_not_with_its_batch(model: HFLanguageModel):
    prompts = [f"The quick {word}" for word in ("fox", "dog", "sea", "river", "bird")]
    stops = tuple("aeio")
    together = say(model, *prompts, stop=stops, max_new_tokens=30)
    for prompt, response in zip(prompts, together, strict=True):
        (single,) = say(model, prompt, stop=stops, max_new_tokens=30)
        assert response.usage == single.usage
        assert response.finish_reason is single.finish_reason
    assert len({r.usage.completion_tokens for r in together}) > 1


def test_the_length_limit_is_told_from_a_stop(model: HFLanguageModel):
    (cut,) = say(model, "The", max_new_tokens=3)
    assert cut.finish_reason is FinishReason.LENGTH
    assert cut.usage.completion_tokens == 3
    (stopped,) = say(model, "The", stop=(cut.text[0],))
    assert stopped.finish_reason is FinishReason.STOP
    assert stopped.text == ""


def test_long_prompts_lose_their_beginning(model: HFLanguageModel):
    tail = "the lazy dog. " * 40
    texts = {say(model, start + tail)[0].text for start in ("A bird sings. " * 9, "1 2 3 4 " * 40)}
    assert len(texts) == 1
    with pytest.raises(AdapterError, match="max_new_tokens is 64, and the model holds 64"):
        say(model, "x", max_new_tokens=64)


def test_sampling_follows_the_seed_in_any_batch(model: HFLanguageModel):
    warm = {"temperature": 1.5, "top_p": 0.9}
    one, two, again = (say(model, "The fox", seed=seed, **warm)[0].text for seed in (1, 2, 1))
    assert one == again != two
    state = torch.random.get_rng_state()
    assert say(model, "A sea", "The fox", seed=1, **warm)[1].text == one
    assert torch.equal(state, torch.random.get_rng_state())
    with pytest.raises(AdapterError, match="beams can't be sampled"):
        say(model, "x", num_beams=2, temperature=1.0)


def test_a_narrow_nucleus_is_greedy(model: HFLanguageModel):
    greedy = say(model, "The fox")[0].text
    assert say(model, "The fox", temperature=1.0, top_p=1e-9)[0].text == greedy


def test_beams_find_likelier_texts(model: HFLanguageModel):
    def likelihood(text: str) -> float:
        asked = LogLikelihoodRequest(prompt="The fox", continuations=(text,), raw=True)
        return model.loglikelihood([asked])[0].loglikelihoods[0]

    plain, beams = (say(model, "The fox", num_beams=n, max_new_tokens=4)[0].text for n in (1, 4))
    assert likelihood(beams) >= likelihood(plain)


def test_the_chat_template_stands_around_other_prompts_only(model: HFLanguageModel):
    rendered = "<|user|>Hi\n<|assistant|>"
    assert say(model, "Hi", raw=False)[0].text == say(model, rendered)[0].text
    asked = LogLikelihoodRequest(prompt="Hi", continuations=(" yes", " no"))
    raw = LogLikelihoodRequest(prompt=rendered, continuations=(" yes", " no"), raw=True)
    assert model.loglikelihood([asked]) == model.loglikelihood([raw])


def test_pictures_are_refused(model: HFLanguageModel):
    from PIL import Image

    request = AnswerRequest(prompt="What?", images=(Image.new("RGB", (2, 2)),))
    with pytest.raises(CapabilityError, match="sees no pictures"):
        model.answer([request])


def test_a_beginning_of_text_token_is_put_there_once(checkpoint: Path):
    model = HFLanguageModel(str(checkpoint), device="cpu")
    assert model._encode(f"{tiny.EOS}a") == [0, *model._encode("a")]


def test_max_length_can_be_set(checkpoint: Path):
    model = HFLanguageModel(str(checkpoint), device="cpu", max_length=16)
    assert model.fingerprint().defaults["max_length"] == 16
    with pytest.raises(AdapterError, match="the model holds 16"):
        say(model, "x", max_new_tokens=16)


def test_the_fingerprint_tells_weights_and_types_apart(checkpoint: Path, tmp_path: Path):
    first = HFLanguageModel(str(checkpoint), device="cpu").fingerprint()
    again = HFLanguageModel(str(checkpoint), device="cpu").fingerprint()
    other = HFLanguageModel(str(tiny.save(tmp_path, seed=1)), device="cpu").fingerprint()
    half = HFLanguageModel(str(checkpoint), device="cpu", dtype="bfloat16").fingerprint()
    assert first == again
    assert len({first.weights_sha256, other.weights_sha256, half.weights_sha256}) == 3
    assert (first.dtype, half.dtype) == ("float32", "bfloat16")
    json.dumps([first.config, first.defaults])


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "has no checkpoint"), ("no/such/folder", "no/such/folder"), ("./gone", "./gone")],
)
def test_a_missing_checkpoint_is_named(name: str, message: str):
    with pytest.raises(CheckpointError, match=message):
        HFLanguageModel(name, device="cpu")


def test_pickles_are_not_loaded(checkpoint: Path, tmp_path: Path):
    folder = tmp_path / "pickled"
    shutil.copytree(checkpoint, folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is a pickle"):
        HFLanguageModel(str(folder), device="cpu")


def test_missing_and_broken_weights_are_named(checkpoint: Path, tmp_path: Path):
    folder = tmp_path / "half"
    shutil.copytree(checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack tensor model\.norm\.weight, which"):
        HFLanguageModel(str(folder), device="cpu")
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="can't be loaded"):
        HFLanguageModel(str(folder), device="cpu")


def of_fewer_layers(checkpoint: Path, folder: Path) -> Path:
    """Weights of two layers beside a config.json of one."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["num_hidden_layers"] == 2
    config |= {"num_hidden_layers": 1, "layer_types": ["full_attention"]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_part_of_the_weights_is_not_taken_for_the_model(checkpoint: Path, tmp_path: Path):
    folder = of_fewer_layers(checkpoint, tmp_path / "cut")
    with pytest.raises(CheckpointError, match=r"hold tensors model\.layers\.1\..* more") as caught:
        HFLanguageModel(str(folder), device="cpu")
    assert "extra_tensors=ignore" in str(caught.value)


def test_superfluous_tensors_are_ignored_on_demand(
    checkpoint: Path, model: HFLanguageModel, tmp_path: Path
):
    folder = of_fewer_layers(checkpoint, tmp_path / "cut")
    smaller = HFLanguageModel(str(folder), device="cpu", extra_tensors="ignore")
    ours, whole = smaller.fingerprint(), model.fingerprint()
    assert ours.parameters is not None
    assert whole.parameters is not None
    assert ours.parameters < whole.parameters
    assert ours.weights_sha256 != whole.weights_sha256


def test_a_misshapen_tensor_is_named(checkpoint: Path, tmp_path: Path):
    folder = tmp_path / "misshapen"
    shutil.copytree(checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = torch.zeros(3)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"norm\.weight has shape \(3,\), but .* \(32,\)"):
        HFLanguageModel(str(folder), device="cpu")


def test_buffers_that_old_releases_store_are_not_superfluous(checkpoint: Path, tmp_path: Path):
    """GPT-2's files hold its causal masks."""
    config = GPT2Config(vocab_size=400, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    folder = tmp_path / "gpt2"
    shutil.copytree(checkpoint, folder)
    GPT2LMHeadModel(config).save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    mask = torch.ones(1, 1, 32, 32).tril()
    save_file(
        {**tensors, "transformer.h.0.attn.bias": mask},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    assert HFLanguageModel(str(folder), device="cpu").fingerprint().parameters


def test_code_of_a_checkpoint_is_not_run(checkpoint: Path, tmp_path: Path):
    folder, ran = tmp_path / "custom", tmp_path / "ran"
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(ran)!r}, 'w')\n")
    with pytest.raises(CheckpointError, match="isn't run"):
        HFLanguageModel(str(folder), device="cpu")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("dtype", "int8"), ("device", "tpu"), ("extra_tensors", "keep")]
)
def test_wrong_arguments_are_refused_before_loading(name: str, value: str):
    with pytest.raises(SpecError, match=value):
        HFLanguageModel("gone", **{name: value})


def test_reading_the_card_imports_no_torch():
    code = "import model_adapters.hf_lm.adapter, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_text_ends_before_it_may(model: HFLanguageModel, monkeypatch: pytest.MonkeyPatch):
    """Every id but a few ends a text, so that only the bound keeps one going."""
    config = copy.deepcopy(model._lm.model.generation_config)
    config.eos_token_id = list(range(3, model._lm.model.config.vocab_size))
    monkeypatch.setattr(model._lm.model, "generation_config", config)
    (short,), (long,) = say(model, "the fox"), say(model, "the fox", min_new_tokens=10)
    assert short.usage.completion_tokens < 10
    assert long.usage.completion_tokens == 10
