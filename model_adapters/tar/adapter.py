"""Tar behind the harness's adapter interface.

Importing this module imports no torch: `cheers-bench list` reads the card only.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.adapter import ModelAdapter, VisionTokens
from harness.checkpoints import demand
from harness.errors import CheckpointError
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ModelCard,
    ReconstructRequest,
    Request,
    Response,
    Timing,
    Usage,
)
from harness.torch_support import (
    Part,
    as_stated,
    choose_device,
    choose_dtype,
    device_name,
    guards_memory,
    let_go,
    wait_for,
    watch_parts,
    weights_sha256,
)
from model_adapters.tar.arguments import SANA, Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from harness.components import ComponentWork
    from model_adapters.hf_vlm.inputs import Inputs
    from model_adapters.tar.detokenizers import Detokenizer
    from model_adapters.tar.drawing import Drawn

__all__ = ["DRAWS", "UNDERSTANDS", "TarAdapter"]

CODE_VERSION = "1"
"""Raised when the same weights and requests would give other responses."""

UNDERSTANDS = frozenset(
    {
        Capability.ANSWER,
        Capability.LOGLIKELIHOOD,
        Capability.VISION_TOKENS,
        Capability.COMPONENTS,
    }
)
"""What needs no de-tokenizer."""

DRAWS = frozenset({Capability.GENERATE_IMAGE, Capability.RECONSTRUCT})
"""What needs one."""


class TarAdapter(ModelAdapter):
    """A Tar checkpoint: a folder with language model, TA-Tok and a de-tokenizer.

    Args:
        path: Folder; docs/tar.md says which released file goes where.
        llm: Language model: a folder in `path`, a folder anywhere, or a hub id.
        revision: Branch, tag or commit of a hub id.
        dtype: Of the language model: `auto` (bfloat16 on a GPU, float32 on the CPU), `float32`,
            `bfloat16`, `float16`. TA-Tok always computes in float32.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        preset: `benchmark`, `released-demo` or `geneval-script`.
        detokenizer: What draws: `ar-dtok`, `dif-dtok`, or `none`.
        detokenizer_dtype: Of its transformer; what makes pixels computes in float32.
        resolution: Pixels of a drawn picture's side: which de-tokenizer, where there are several.
        sana: Dif-DTok's pipeline: a folder in `path`, or anywhere.
        steps: Denoising steps of Dif-DTok where a task names none.
        read_scale: 0, 1 or 2: 729, 169 or 81 tokens for a picture in a question.
        draw_scale: The same for a drawn picture.
        image_tokens: `argmax` or `sampled`: codes of a picture in a question.
        preprocess: `evaluation`, `demo` or `demo-antialiased`: how it's brought to 384 x 384.
        temperature: Of the image tokens that the language model writes.
        top_p: Nucleus mass of these.
        top_k: How many candidates of these; 0 is all.
        cfg_scale: Guidance of the de-tokenizer where a task names none.

    Raises:
        CheckpointError: A part is missing, damaged, not converted, or of another model.
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="tar",
        summary="A Tar checkpoint: Qwen2 over text-aligned image tokens, and a de-tokenizer.",
        capabilities=UNDERSTANDS | DRAWS,
        licence="see the checkpoint",
        source="https://huggingface.co/csuhan/Tar-1.5B (arXiv 2506.18898)",
    )

    def __init__(
        self,
        path: str = "",
        *,
        llm: str = "llm",
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        preset: str = "benchmark",
        detokenizer: str = "ar-dtok",
        detokenizer_dtype: str = "float32",
        resolution: int | None = None,
        sana: str = SANA,
        steps: int | None = None,
        read_scale: int = 0,
        draw_scale: int = 0,
        image_tokens: str | None = None,
        preprocess: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        cfg_scale: float | None = None,
    ) -> None:
        self._settings = Settings.checked(
            preset=preset,
            detokenizer=detokenizer,
            resolution=resolution,
            sana=sana,
            steps=steps,
            read_scale=read_scale,
            draw_scale=draw_scale,
            image_tokens=image_tokens,
            preprocess=preprocess,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            cfg_scale=cfg_scale,
        )
        self._device = choose_device(device)
        self.dtype = choose_dtype(dtype, self._device)
        drawing_dtype = choose_dtype(detokenizer_dtype, self._device)
        from model_adapters.tar.checkpoint import Numbers, load_parts

        numbers = Numbers(self._device, self.dtype, drawing_dtype)
        self._parts = load_parts(self._locate(path), llm, revision, self._settings, numbers)
        if self._parts.detokenizer is None:
            self.card = msgspec.structs.replace(type(self).card, capabilities=UNDERSTANDS)
        self._weights_sha256: str | None = None

    def _locate(self, path: str) -> Path:
        demand(path, self.card.name)
        if not Path(path).is_dir():
            raise CheckpointError(
                f"there is no folder {path}",
                "Tar is published in several repositories; put their files into one folder: "
                "docs/tar.md",
            )
        return Path(path)

    def fingerprint(self) -> Fingerprint:
        """Identity of weights, configurations, tokenizer, reading and defaults of drawing."""
        from model_adapters.tar.identity import defaults, describe, networks

        modules = networks(self._parts)
        if self._weights_sha256 is None:
            self._weights_sha256 = weights_sha256(modules)
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=self._weights_sha256,
            config=describe(self._parts, self._settings),
            defaults=defaults(self._parts, self._settings),
            dtype=self.dtype,
            device=device_name(self._device),
            parameters=sum(p.numel() for p in modules.parameters()),
        )

    def preferred_batch_size(self, capability: Capability) -> int:  # noqa: ARG002
        """Few rows waste the many steps over one token each; guidance doubles every row."""
        return 8

    def batch_key(self, request: Request) -> Hashable:
        """Prompts with equally many pictures pad little; their sizes don't matter."""
        return len(getattr(request, "images", ()))

    @guards_memory
    @as_stated
    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer a batch; requests share one decoding. Beams are searched row by row."""
        from model_adapters.hf_vlm.responses import answered
        from model_adapters.tar.speaking import speaker

        return answered(speaker(self._parts.language), self._inputs, requests, self._device)

    @guards_memory
    @as_stated
    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Score every continuation; each prompt and its pictures are read once."""
        from model_adapters.hf_vlm.responses import scored
        from model_adapters.tar.speaking import speaker

        return scored(speaker(self._parts.language), self._inputs, requests)

    @guards_memory
    @as_stated
    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw a batch; requests share one decoding."""
        from model_adapters.tar.drawing import Plan, draw_batch
        from model_adapters.tar.presets import sampling_of

        start = time.perf_counter()
        plan = Plan(
            self._detokenizer(Capability.GENERATE_IMAGE),
            self._settings.draw_scale,
            sampling_of(self._settings.preset, self._parts.language.generation),
            requests[0].decoding,
        )
        prompts = [request.prompt for request in requests]
        seeds = [request.seed for request in requests]
        drawn, first = draw_batch(self._parts, plan, prompts, seeds)
        timing = _timing(start, len(requests), first)
        return [_image_response(one, timing) for one in drawn]

    @guards_memory
    @as_stated
    def reconstruct(self, requests: Sequence[ReconstructRequest]) -> list[Response]:
        """Read each picture and draw it from its tokens, without the language model."""
        from model_adapters.tar.drawing import draw_codes
        from model_adapters.tar.reading import read_codes

        start, decoding = time.perf_counter(), ImageDecoding()
        detokenizer = self._detokenizer(Capability.RECONSTRUCT)
        scale, preset = self._settings.draw_scale, self._settings.preset
        detokenizer.check(decoding, self._parts.ta_tok.tokens(scale))
        codes = [
            read_codes(self._parts.ta_tok, [request.image], request.seed, scale, preset)[0]
            for request in requests
        ]
        seeds = [request.seed for request in requests]
        drawn = draw_codes(self._parts, detokenizer, codes, seeds, decoding)
        timing, usage = _timing(start, len(requests)), Usage(nfe=drawn.nfe)
        return [Response(image=image, usage=usage, timing=timing) for image in drawn.images]

    def vision_tokens(self, width: int, height: int) -> VisionTokens:
        """Account of one picture in a question."""
        from model_adapters.tar.accounting import account

        return account(self._parts, self._settings.read_scale, width, height)

    def watch_components(
        self, *, count: bool
    ) -> AbstractContextManager[Mapping[str, ComponentWork]]:
        """Time, or operations and bytes, of tokenizer, language model and de-tokenizer."""
        from model_adapters.hf_vlm.watching import language_part

        parts, model = self._parts, self._parts.language.model
        encoder, decoder = parts.ta_tok.encoder, parts.ta_tok.decoder.vision_model
        unused = encoder.unused(parts.ta_tok.settings.select_layer)
        roles = parts.detokenizer.roles if parts.detokenizer is not None else []
        found = {
            "ta_tok_encode": Part(encoder, unused=unused),
            "llm": language_part(model, model),
            "ta_tok_decode": Part(decoder, unused=(decoder.head,)),
            **{role: Part(module) for role, module in roles},
        }
        return watch_parts(found, self._device, count=count)

    @as_stated
    def prefill(self, tokens: int) -> int | None:
        """Run the language model over as many tokens."""
        from model_adapters.hf_vlm.watching import fill_cache

        filled = fill_cache(self._parts.language.model, self._parts.language.model, tokens)
        wait_for(self._device)
        return filled

    def close(self) -> None:
        """Let go of the weights, so that judges have the memory."""
        let_go(self, "_parts")

    def _detokenizer(self, capability: Capability) -> Detokenizer:
        if self._parts.detokenizer is None:
            raise self._lacks(capability)
        return self._parts.detokenizer

    def _inputs(self, requests: Sequence[AnswerRequest] | Sequence[LogLikelihoodRequest]) -> Inputs:
        from model_adapters.tar.reading import read_codes
        from model_adapters.tar.speaking import prepare

        if any(request.raw for request in requests):
            raise self._lacks(Capability.RAW_TEXT)
        scale, preset = self._settings.read_scale, self._settings.preset
        codes = [
            read_codes(self._parts.ta_tok, request.images, request.seed, scale, preset)
            for request in requests
        ]
        return prepare(self._parts.language, [request.prompt for request in requests], codes)


def _timing(start: float, count: int, first: float | None = None) -> Timing:
    return Timing(
        ttft_s=None if first is None else first - start,
        total_s=time.perf_counter() - start,
        batch_size=count,
    )


def _image_response(drawn: Drawn, timing: Timing) -> Response:
    """The picture; what it lacks in image tokens can be read off its usage.

    `vision_tokens` are the image tokens that the model wrote, without padding; `completion_tokens`
    whatever else it wrote in their place.
    """
    painted = drawn.painted
    written = len(painted.codes) - painted.padded
    return Response(
        image=drawn.image,
        finish_reason=FinishReason.LENGTH if painted.padded else FinishReason.STOP,
        usage=Usage(
            prompt_tokens=drawn.prompt,
            completion_tokens=len(painted.ids) - written,
            vision_tokens=written,
            nfe=drawn.nfe,
        ),
        timing=timing,
    )
