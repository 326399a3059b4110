"""One model through two backends: hf-vlm, and transformers behind a server of its own.

The server shares no code with the adapter: it renders the chat, preprocesses and generates by
transformers' own means. A copy with disturbed weights has to be told from the original.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

from harness.parity import Weights, measure_parity
from harness.records import Response
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.hf_vlm.adapter import HFVisionLanguage
from model_adapters.hf_vlm.quiet import quietly
from tests.adapters import mixed_tasks
from tests.adapters.chat_server import chat_server
from tests.adapters.tiny_vlms import save_tiny_vlm

pytestmark = pytest.mark.usefixtures("registered")

QUESTIONS = TaskRef(task="shapes-mmbench", options={"questions": 5})
LIKELIHOODS = TaskRef(task=mixed_tasks.Likelihoods.metadata.name)


class Server:
    """Answers chat completions by `generate`."""

    def __init__(self, folder: Path) -> None:
        with quietly():
            self.processor = AutoProcessor.from_pretrained(folder)
            self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
        self.model.eval()
        self.model.generation_config = GenerationConfig(
            eos_token_id=self.processor.tokenizer.eos_token_id
        )
        self.lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> str:
        content = body["messages"][0]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        chat = [{"role": "user", "content": [_part(part) for part in parts]}]
        with self.lock, torch.no_grad(), quietly():
            inputs = self.processor.apply_chat_template(
                chat,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
            made = self.model.generate(
                **inputs, max_new_tokens=body["max_tokens"], do_sample=False, pad_token_id=0
            )
        new = made[0, inputs["input_ids"].shape[1] :]
        return str(self.processor.tokenizer.decode(new, skip_special_tokens=True))


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return part
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return {"type": "image", "image": Image.open(io.BytesIO(data)).convert("RGB")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vlm(tmp_path_factory.mktemp("vlm"), "qwen2_vl")


@pytest.fixture(scope="module")
def disturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same checkpoint, each weight off by about a hundredth."""
    copy = save_tiny_vlm(tmp_path_factory.mktemp("disturbed"), "qwen2_vl")
    generator = torch.Generator().manual_seed(1)
    weights = load_file(copy / "model.safetensors")
    for value in weights.values():
        value.mul_(1 + 0.01 * torch.randn(value.shape, generator=generator).to(value.dtype))
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def run(out: Path, name: str, *tasks: TaskRef, **args: Any) -> Path:
    execute(RunSpec(tasks=tasks, model=ModelRef(name=name, args=args), out=str(out)))
    return out


@pytest.fixture
def served(folder: Path, tmp_path: Path) -> Path:
    with chat_server() as server:
        server.answer = Server(folder)
        server.usage = None
        args = {"path": server.url, "model": "toy", "stream": False}
        return run(tmp_path / "served", "openai", QUESTIONS, **args)


def test_a_served_model_answers_as_it_does_here(served: Path, folder: Path, tmp_path: Path):
    here = run(tmp_path / "here", "hf-vlm", QUESTIONS, path=str(folder), device="cpu")
    found = measure_parity(here, served)
    (task,) = found.tasks
    assert found.weights is Weights.UNKNOWN
    assert task.samples == 20
    assert task.agreed == 1
    assert task.apart == ()
    assert {d.difference for d in task.differences if d.difference is not None} == {0}


def test_disturbed_weights_are_told_from_the_original(
    served: Path, disturbed: Path, tmp_path: Path
):
    other = run(tmp_path / "other", "hf-vlm", QUESTIONS, path=str(disturbed), device="cpu")
    (task,) = measure_parity(other, served).tasks
    assert task.agreed < 0.9
    assert len(task.apart) == round(20 * (1 - task.agreed))


class Plain(HFVisionLanguage):
    """An adapter of one's own over the same weights: a forward pass for each continuation."""

    @torch.no_grad()
    def loglikelihood(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(loglikelihoods=tuple(self._sums(request))) for request in requests]

    def _sums(self, request: Any) -> Any:
        processor, model = self._checkpoint.processor, self._checkpoint.model
        pictures = [{"type": "image", "image": image} for image in request.images]
        words = [{"type": "text", "text": request.prompt}]
        chat = [{"role": "user", "content": [*pictures, *words]}]
        for continuation in request.continuations:
            with quietly():
                inputs = processor.apply_chat_template(
                    chat,
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
            added = processor.tokenizer(
                continuation, add_special_tokens=False, return_tensors="pt"
            )["input_ids"]
            start = inputs["input_ids"].shape[1]
            ids = torch.cat([inputs["input_ids"], added], 1)
            shape = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            if "mm_token_type_ids" in inputs:
                kinds = torch.zeros_like(ids)
                kinds[:, :start] = inputs["mm_token_type_ids"]
                shape["mm_token_type_ids"] = kinds
            logits = model(**{**inputs, **shape}).logits.log_softmax(-1)
            picked = logits[0, start - 1 : -1].gather(1, added[0][:, None])
            yield min(0.0, float(picked.sum()))


def test_log_likelihoods_of_two_adapters(
    folder: Path, disturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from harness.registry import models

    monkeypatch.setitem(models()._added, "plain", Plain)
    here = run(tmp_path / "here", "hf-vlm", LIKELIHOODS, path=str(folder), device="cpu")
    plain = run(tmp_path / "plain", "plain", LIKELIHOODS, path=str(folder), device="cpu")
    found = measure_parity(here, plain)
    assert found.weights is Weights.EQUAL
    (task,) = found.tasks
    assert task.agreed == 1
    nats = next(one for one in task.measures if one.metric.name == "nats_apart")
    assert nats.largest < 1e-3

    other = run(tmp_path / "other", "hf-vlm", LIKELIHOODS, path=str(disturbed), device="cpu")
    found = measure_parity(here, other)
    assert found.weights is Weights.DIFFERENT
    (task,) = found.tasks
    assert task.agreed < 0.2
    nats = next(one for one in task.measures if one.metric.name == "nats_apart")
    assert nats.value.value > 0.01
    assert nats.largest > nats.value.value
