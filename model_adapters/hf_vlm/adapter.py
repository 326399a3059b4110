"""Vision-language models of transformers behind the harness's adapter interface.

Importing this module imports neither torch nor transformers: `cheers-bench list` reads the card.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from harness.adapter import ModelAdapter, VisionTokens
from harness.checkpoints import demand, resolve
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    LogLikelihoodRequest,
    ModelCard,
    Request,
    Response,
)
from harness.torch_support import (
    as_stated,
    choose_device,
    choose_dtype,
    device_name,
    guards_memory,
    let_go,
    one_of,
    wait_for,
    watch_parts,
    weights_sha256,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.components import ComponentWork
    from model_adapters.hf_vlm.inputs import Inputs

__all__ = ["HFVisionLanguage"]

CODE_VERSION = "1"
"""Raised when the same weights and requests would give other responses."""


class HFVisionLanguage(ModelAdapter):
    """A decoder-only vision-language model that transformers knows.

    Args:
        path: Folder with config.json, safetensors, tokenizer and processor files, or a hub id.
        revision: Branch, tag or commit of a hub id.
        dtype: `auto` (bfloat16 on a GPU, float32 on the CPU), `float32`, `bfloat16`, `float16`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        attn_implementation: `auto`, or what transformers takes: `eager`, `sdpa`,
            `flash_attention_2`.
        extra_tensors: `refuse` or `ignore` tensors that the model has no place for.

    Raises:
        CheckpointError: The checkpoint is missing or doesn't fit.
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="hf-vlm",
        summary="Any AutoModelForImageTextToText of transformers, by folder or hub id.",
        capabilities=frozenset(
            {
                Capability.ANSWER,
                Capability.LOGLIKELIHOOD,
                Capability.VISION_TOKENS,
                Capability.COMPONENTS,
            }
        ),
        licence="see the checkpoint",
        source="a folder, or https://huggingface.co",
    )

    def __init__(
        self,
        path: str = "",
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        attn_implementation: str = "auto",
        extra_tensors: str = "refuse",
    ) -> None:
        extra = one_of("extra_tensors", extra_tensors, ("refuse", "ignore")) == "ignore"
        self._device = choose_device(device)
        self.dtype = choose_dtype(dtype, self._device)
        demand(path, self.card.name)
        folder = resolve(path, revision)
        from model_adapters.hf_vlm.loading import load

        attention = None if attn_implementation == "auto" else attn_implementation
        self._checkpoint = load(folder, self.dtype, self._device, attention, extra_tensors=extra)
        self._weights_sha256: str | None = None

    def fingerprint(self) -> Fingerprint:
        """Identity of weights, configuration, processor and tokenizer."""
        from model_adapters.hf_vlm.identity import describe

        model = self._checkpoint.model
        if self._weights_sha256 is None:
            self._weights_sha256 = weights_sha256(model)
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=self._weights_sha256,
            config=describe(self._checkpoint),
            defaults={"length_penalty": 1.0, "repetition_penalty": 1.0},
            dtype=self.dtype,
            device=device_name(self._device),
            parameters=sum(p.numel() for p in model.parameters()),
        )

    def parameters_by_part(self) -> Mapping[str, int]:
        """Vision tower, language model, head, as transformers names them."""
        from harness.torch_support import count_parameters, parts_of

        model = self._checkpoint.model
        return count_parameters(model, parts_of(model))

    def preferred_batch_size(self, capability: Capability) -> int:  # noqa: ARG002
        """Pictures of several thousand tokens are common."""
        return 8

    def batch_key(self, request: Request) -> Hashable:
        """Prompts with equally many pictures, since processors treat one and several differently.

        Prompts that spell a control token are tokenized in another way and stay among themselves.
        """
        from model_adapters.hf_vlm.inputs import has_control

        pictures: tuple[Image, ...] = getattr(request, "images", ())
        return len(pictures), has_control(self._checkpoint, getattr(request, "prompt", ""))

    @guards_memory
    @as_stated
    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer a batch; requests share one decoding. Beams are searched row by row."""
        from model_adapters.hf_vlm.responses import answered

        return answered(self._checkpoint, self._inputs, requests, self._device)

    @guards_memory
    @as_stated
    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Score every continuation; each prompt and its pictures are read once."""
        from model_adapters.hf_vlm.responses import scored

        return scored(self._checkpoint, self._inputs, requests)

    def vision_tokens(self, width: int, height: int) -> VisionTokens:
        """Account of one picture, from what the processor makes of a black one of that size."""
        from model_adapters.hf_vlm.accounting import account

        return account(self._checkpoint, width, height, self._device)

    @as_stated
    def prefill(self, tokens: int) -> int | None:
        """Run the language model over as many tokens; they see each other as those of text do."""
        from model_adapters.hf_vlm.watching import prefill

        filled = prefill(self._checkpoint.model, tokens)
        wait_for(self._device)
        return filled

    def watch_components(
        self, *, count: bool
    ) -> AbstractContextManager[Mapping[str, ComponentWork]]:
        """Time, or operations and bytes, of the vision tower, projector and language model."""
        from model_adapters.hf_vlm.watching import parts

        return watch_parts(parts(self._checkpoint.model), self._device, count=count)

    def close(self) -> None:
        """Let go of the weights, so that judges have the memory."""
        let_go(self, "_checkpoint")

    def _inputs(self, requests: Sequence[AnswerRequest] | Sequence[LogLikelihoodRequest]) -> Inputs:
        from model_adapters.hf_vlm.inputs import prepare

        if any(request.raw for request in requests):
            raise self._lacks(Capability.RAW_TEXT)
        return prepare(
            self._checkpoint,
            [request.prompt for request in requests],
            [request.images for request in requests],
            self._device,
        )
