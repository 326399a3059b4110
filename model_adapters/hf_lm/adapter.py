"""Causal language models of transformers behind the harness's adapter interface.

Importing this module imports no torch: `cheers-bench list` reads the card only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.adapter import ModelAdapter
from harness.checkpoints import demand, resolve
from harness.errors import AdapterError, CapabilityError
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    LogLikelihoodRequest,
    ModelCard,
    Response,
    Usage,
)
from harness.seeds import stream_seed
from harness.torch_support import (
    as_stated,
    choose_device,
    choose_dtype,
    device_name,
    guards_memory,
    let_go,
    one_of,
    weights_sha256,
)
from model_adapters.continuation import Scored, split_pair, windows

if TYPE_CHECKING:
    from model_adapters.hf_lm.scoring import Likelihood

__all__ = ["HFLanguageModel"]

CODE_VERSION = "1"
"""Raised when the same weights and requests would give other responses."""


class HFLanguageModel(ModelAdapter):
    """A causal language model that transformers knows, by folder or hub id.

    Raw requests are encoded and cut as lm-eval's HFLM does it. Other requests are put into the
    tokenizer's own chat template, as one message of the user.

    Args:
        path: Folder with config.json, safetensors and the tokenizer's files, or a hub id.
        revision: Branch, tag or commit of a hub id.
        dtype: `auto` (bfloat16 on a GPU, float32 on the CPU), `float32`, `bfloat16`, `float16`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        max_length: Tokens to read at most; by default what the checkpoint says.
        add_bos_token: Whether a text begins with the tokenizer's beginning-of-text token; by
            default what the tokenizer does.
        extra_tensors: `refuse` or `ignore` tensors that the model has no place for.

    Raises:
        CheckpointError: The checkpoint is missing or can't be loaded.
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="hf-lm",
        summary="A causal language model of transformers, by folder or hub id.",
        capabilities=frozenset({Capability.ANSWER, Capability.LOGLIKELIHOOD, Capability.RAW_TEXT}),
        licence="see the checkpoint",
        source="https://github.com/huggingface/transformers",
    )

    def __init__(
        self,
        path: str = "",
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        max_length: int | None = None,
        add_bos_token: bool | None = None,
        extra_tensors: str = "refuse",
    ) -> None:
        extra = one_of("extra_tensors", extra_tensors, ("refuse", "ignore")) == "ignore"
        self._device = choose_device(device)
        self.dtype = choose_dtype(dtype, self._device)
        demand(path, self.card.name)
        folder = resolve(path, revision)
        from model_adapters.hf_lm.loading import load

        self._lm = load(
            folder,
            dtype=self.dtype,
            device=self._device,
            max_length=max_length,
            extra_tensors=extra,
        )
        self._add_bos = add_bos_token
        self._weights_sha256: str | None = None

    def fingerprint(self) -> Fingerprint:
        """Identity of weights, configuration and defaults."""
        model = self._lm.model
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=self._hash(),
            config=json.loads(model.config.to_json_string(use_diff=True)),
            defaults={
                "max_length": self._lm.max_length,
                "add_bos_token": self._add_bos,
                "generation": json.loads(model.generation_config.to_json_string(use_diff=True)),
            },
            dtype=self.dtype,
            device=device_name(self._device),
            parameters=sum(p.numel() for p in model.parameters()),
        )

    def parameters_by_part(self) -> Mapping[str, int]:
        """Embeddings, layers, head, as transformers names them."""
        from harness.torch_support import count_parameters, parts_of

        return count_parameters(self._lm.model, parts_of(self._lm.model))

    def preferred_batch_size(self, capability: Capability) -> int:  # noqa: ARG002
        """Text alone is cheap."""
        return 16

    def close(self) -> None:
        """Let go of the weights, so that judges have the memory."""
        let_go(self, "_lm")

    @guards_memory
    @as_stated
    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Continue or answer a batch; requests share one decoding."""
        from model_adapters.hf_lm.generation import generate

        prompts = [self._encode(self._text(request)) for request in requests]
        seeds = [stream_seed(request.seed, "sampling") for request in requests]
        generated = generate(self._lm, prompts, requests[0].decoding, seeds)
        return [
            Response(
                text=one.text,
                finish_reason=one.finish_reason,
                usage=Usage(prompt_tokens=len(prompt), completion_tokens=one.tokens),
            )
            for prompt, one in zip(prompts, generated, strict=True)
        ]

    @guards_memory
    @as_stated
    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Score every continuation; as many sequences are read at once as there are requests."""
        from model_adapters.hf_lm.scoring import score

        parts = [self._parts(request) for request in requests]
        wanted = [scored for request in parts for part in request for scored in part]
        scores = iter(score(self._lm, wanted, len(requests)))
        return [_response([[next(scores) for _ in part] for part in request]) for request in parts]

    def _parts(self, request: LogLikelihoodRequest) -> list[list[Scored]]:
        """What is to be scored for each continuation: itself, or its windows."""
        prefix = self._prefix()
        if request.rolling:
            texts = [self._encode(text) for text in request.continuations]
            return [windows(ids, prefix, self._lm.max_length) for ids in texts]
        if request.raw:
            pairs = request.pairs()
        else:
            pairs = tuple((self._text(request), text) for text in request.continuations)
        return [
            [split_pair(context, text, self._encode, self._encode_bare, prefix)]
            for context, text in pairs
        ]

    def _text(self, request: AnswerRequest | LogLikelihoodRequest) -> str:
        """What the model reads, as text."""
        if request.images:
            raise CapabilityError(f"model {self.card.name!r} sees no pictures", "ask in text alone")
        if request.raw:
            return request.prompt
        if not self._lm.tokenizer.chat_template:
            raise AdapterError(
                f"the tokenizer of {self.card.name!r} has no chat template",
                "run raw tasks, such as lm_eval's, or a checkpoint that was trained to chat",
            )
        message = [{"role": "user", "content": request.prompt}]
        text: str = self._lm.tokenizer.apply_chat_template(
            message, tokenize=False, add_generation_prompt=True
        )
        return text

    def _encode(self, text: str) -> list[int]:
        """Ids of a text from its beginning; a beginning-of-text token isn't put there twice."""
        prefix = self._prefix()
        if prefix is not None and text.startswith(self._lm.tokenizer.decode([prefix])):
            return self._encode_bare(text)
        special = {} if self._add_bos is None else {"add_special_tokens": self._add_bos}
        ids: list[int] = self._lm.tokenizer.encode(text, **special)
        return ids

    def _encode_bare(self, text: str) -> list[int]:
        ids: list[int] = self._lm.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _prefix(self) -> int | None:
        """Id before a text without context: beginning of text, else end of text."""
        tokenizer = self._lm.tokenizer
        found = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        return None if found is None else int(found)

    def _hash(self) -> str:
        """SHA-256 over the loaded tensors, computed once."""
        if self._weights_sha256 is None:
            self._weights_sha256 = weights_sha256(self._lm.model)
        return self._weights_sha256


def _response(parts: Sequence[Sequence[Likelihood]]) -> Response:
    """The response to one request: each continuation's windows, added up."""
    return Response(
        loglikelihoods=tuple(sum((one.total for one in part), 0.0) for part in parts),
        is_greedy=tuple(all(one.greedy for one in part) for part in parts),
    )
