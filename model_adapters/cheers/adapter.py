"""CHEERS behind the harness's adapter interface.

Importing this module imports no torch: `cheers-bench list` reads the cards only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.adapter import ModelAdapter, VisionTokens
from harness.errors import AdapterError, CheckpointError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    Fingerprint,
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ModelCard,
    ReconstructRequest,
    Response,
    TextDecoding,
    Timing,
    Usage,
)
from harness.seeds import stream_seed
from model_adapters.cheers.arguments import (
    Switches,
    choose_device,
    choose_dtype,
    generation_defaults,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from model_adapters.cheers import Checkpoint, ImageResult, ImageSettings, Prompt, TextResult

__all__ = ["CheersAdapter", "CheersNano", "CheersNanoNoHFI", "CheersNanoUntrained"]

CODE_VERSION = "1"
"""Raised when the same weights and requests would give other responses."""

NANO_FOLDER = Path(__file__).parent / "nano"
"""The embedded checkpoint."""

_ALL = frozenset(Capability)
_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "context": FinishReason.CONTEXT,
    "image": FinishReason.STOP,  # the text ended because the model wanted to draw
}


class CheersAdapter(ModelAdapter):
    """A CHEERS checkpoint of the official layout.

    Args:
        path: Folder with config.json, safetensors and tokenizer.json, or a hub id.
        revision: Branch, tag or commit of a hub id.
        dtype: `auto` (bfloat16 on a GPU, float32 on the CPU), `float32`, `bfloat16`, `float16`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        hfi: High-frequency injection; off is the paper's ablation.
        vae_reconstruction: Whether images to understand pass VAE and decoder projector; off shows
            the tower the pixels, the paper's ablation.
        prompt_form: What stands before a prompt without image: `dummy` (official), `no-dummy`,
            `fixed-dummy`.
        steps: Denoising steps where a task names none.
        cfg_scale: Guidance scale where a task names none.
        alpha: Time shift where a task names none.

    Raises:
        CheckpointError: The checkpoint is missing or doesn't fit.
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="cheers",
        summary="A CHEERS checkpoint of the official layout, by folder or hub id.",
        capabilities=_ALL,
        licence="see the checkpoint",
        source="https://huggingface.co/ai9stars/Cheers (arXiv 2603.12793)",
    )

    def __init__(
        self,
        path: str = "",
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        hfi: bool = True,
        vae_reconstruction: bool = True,
        prompt_form: str = "dummy",
        steps: int | None = None,
        cfg_scale: float | None = None,
        alpha: float | None = None,
    ) -> None:
        self._switches = Switches.checked(
            hfi=hfi, vae_reconstruction=vae_reconstruction, prompt_form=prompt_form
        )
        self._device = choose_device(device)
        self._dtype = choose_dtype(dtype, self._device)
        self._folder = self._locate(path, revision)
        self._checkpoint = self._load()
        given = {"steps": steps, "cfg_scale": cfg_scale, "alpha": alpha}
        self._defaults = generation_defaults(self._folder, given)
        self._weights_sha256: str | None = None

    def _locate(self, path: str, revision: str | None) -> Path:
        from model_adapters.cheers.loading import resolve

        if not path:
            raise CheckpointError(
                f"model {self.card.name!r} has no checkpoint",
                "name a folder or a hub id: --model cheers:FOLDER",
            )
        return resolve(path, revision)

    def _load(self) -> Checkpoint:
        from model_adapters.cheers import from_pretrained

        return from_pretrained(self._folder, self._dtype, self._device)

    def fingerprint(self) -> Fingerprint:
        """Identity of weights, configuration, switches and defaults."""
        model = self._checkpoint.model
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=self._hash(),
            config={**model.config.to_dict(), "switches": self._switches.to_dict()},
            defaults=self._defaults,
            dtype=self._dtype,
            device=self._device_name(),
            parameters=sum(p.numel() for p in model.parameters()),
        )

    def _hash(self) -> str:
        """SHA-256 over the loaded tensors, computed once."""
        if self._weights_sha256 is None:
            from model_adapters.cheers.hashing import weights_sha256

            self._weights_sha256 = weights_sha256(self._checkpoint.model)
        return self._weights_sha256

    def _device_name(self) -> str:
        if not self._device.startswith("cuda"):
            return self._device
        import torch

        return f"cuda:{torch.cuda.get_device_name(self._device)}"

    def preferred_batch_size(self, capability: Capability) -> int:
        """More answers than images fit into memory."""
        return 16 if capability in (Capability.ANSWER, Capability.LOGLIKELIHOOD) else 8

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer a batch; requests share one decoding."""
        from model_adapters.cheers.answering import answer_batch

        prompts = [self._answer_prompt(request) for request in requests]
        seeds = [stream_seed(request.seed, "sampling") for request in requests]
        decoding, start = requests[0].decoding, time.perf_counter()
        results, ttft = answer_batch(
            self._checkpoint.model, prompts, decoding, seeds, self._switches.ablations()
        )
        timing = Timing(ttft_s=ttft, total_s=time.perf_counter() - start, batch_size=len(requests))
        return [
            self._text_response(prompt, result, decoding, timing)
            for prompt, result in zip(prompts, results, strict=True)
        ]

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw a batch; requests share one decoding."""
        return self._draw(requests, [() for _ in requests])

    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        """Edit a batch; requests share one decoding."""
        return self._draw(requests, [(request.image,) for request in requests])

    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Score every continuation of a batch in one pass."""
        from model_adapters.cheers import loglikelihood

        prompts = [self._answer_prompt(request) for request in requests]
        encode = self._checkpoint.processor.tokenizer.encode
        pairs = [
            (prompt, encode(text))
            for prompt, request in zip(prompts, requests, strict=True)
            for text in request.continuations
        ]
        scores = iter(
            loglikelihood(
                self._checkpoint.model,
                [prompt for prompt, _ in pairs],
                [ids for _, ids in pairs],
                self._switches.ablations(),
            )
        )
        return [
            Response(
                loglikelihoods=tuple(next(scores).total for _ in request.continuations),
                usage=self._usage(prompt),
            )
            for prompt, request in zip(prompts, requests, strict=True)
        ]

    def reconstruct(self, requests: Sequence[ReconstructRequest]) -> list[Response]:
        """Encode and decode with the VAE, at the model's image size."""
        from model_adapters.cheers import reconstruct, to_image
        from model_adapters.cheers.images import for_generation

        side = self._checkpoint.model.config.image_size
        pixels = [for_generation(request.image, side) for request in requests]
        images = reconstruct(self._checkpoint.model, pixels)
        return [Response(image=to_image(image)) for image in images]

    def vision_tokens(self, width: int, height: int) -> VisionTokens:
        """Account of one image; every image is brought to the model's size first."""
        from model_adapters.cheers.accounting import account

        return account(self._checkpoint.model, width, height)

    @contextmanager
    def time_components(self) -> Iterator[Mapping[str, float]]:
        """Seconds per component of the calls made inside the context."""
        from model_adapters.cheers import time_components

        with time_components(self._checkpoint.model) as times:
            yield times.seconds

    def _answer_prompt(self, request: AnswerRequest | LogLikelihoodRequest) -> Prompt:
        return self._checkpoint.processor.answer_prompt(
            request.prompt,
            list(request.images),
            seed=stream_seed(request.seed, "dummy-image"),
            form=self._switches.prompt_form,
        )

    def _draw(self, requests: Sequence[Any], sources: Sequence[Sequence[Image]]) -> list[Response]:
        from model_adapters.cheers import edit_image, generate_image, image_noise

        prompts = [
            self._checkpoint.processor.image_prompt(
                request.prompt,
                list(images),
                seed=stream_seed(request.seed, "dummy-image"),
                form=self._switches.prompt_form,
            )
            for request, images in zip(requests, sources, strict=True)
        ]
        model, settings = self._checkpoint.model, self._settings(requests[0].decoding)
        noise = [image_noise(model.config, stream_seed(r.seed, "noise")) for r in requests]
        act, start = (edit_image if sources[0] else generate_image), time.perf_counter()
        results = act(model, prompts, noise, settings)
        timing = Timing(total_s=time.perf_counter() - start, batch_size=len(requests))
        nfe = len(settings.times(editing=bool(sources[0]))) * (2 if settings.guided else 1)
        return [
            self._image_response(prompt, result, nfe, timing)
            for prompt, result in zip(prompts, results, strict=True)
        ]

    def _settings(self, decoding: ImageDecoding) -> ImageSettings:
        from model_adapters.cheers import ImageSettings

        side = self._checkpoint.model.config.image_size
        wrong = {decoding.width, decoding.height} - {None, side}
        if wrong:
            raise AdapterError(
                f"{self.card.name} draws {side}x{side} pixels, not {wrong.pop()}",
                "leave width and height open",
            )
        asked = {name: getattr(decoding, name) for name in self._defaults}
        chosen = {k: self._defaults[k] if v is None else v for k, v in asked.items()}
        return ImageSettings(
            steps=int(chosen["steps"]),
            cfg_scale=float(chosen["cfg_scale"]),
            alpha=float(chosen["alpha"]),
            ablations=self._switches.ablations(),
        )

    def _usage(self, prompt: Prompt, **counts: int) -> Usage:
        per_image = self._checkpoint.model.config.tokens_per_image
        return Usage(
            prompt_tokens=sum(token >= 0 for token in prompt.ids),
            vision_tokens=len(prompt.images) * per_image,
            **counts,
        )

    def _text_response(
        self, prompt: Prompt, result: TextResult, decoding: TextDecoding, timing: Timing
    ) -> Response:
        text, stopped = _cut(self._checkpoint.processor.decode(result.ids), decoding.stop)
        return Response(
            text=text,
            finish_reason=FinishReason.STOP if stopped else _FINISH[result.finish_reason],
            usage=self._usage(prompt, completion_tokens=len(result.ids)),
            timing=timing,
        )

    def _image_response(
        self, prompt: Prompt, result: ImageResult, nfe: int, timing: Timing
    ) -> Response:
        from model_adapters.cheers import to_image

        return Response(
            image=to_image(result.image), usage=self._usage(prompt, nfe=nfe), timing=timing
        )


class CheersNano(CheersAdapter):
    """The embedded checkpoint, trained by `recipes/nano`; arguments as `CheersAdapter`'s."""

    card = ModelCard(
        name="cheers-nano",
        summary="CHEERS with 6 M parameters at 64x64, trained on shapes, words and easy-VQA.",
        capabilities=_ALL,
        licence="Apache-2.0",
        source="recipes/nano of this project",
    )

    def __init__(
        self,
        *,
        dtype: str = "float32",
        device: str = "auto",
        hfi: bool = True,
        vae_reconstruction: bool = True,
        prompt_form: str = "dummy",
        steps: int | None = None,
        cfg_scale: float | None = None,
        alpha: float | None = None,
    ) -> None:
        super().__init__(
            str(NANO_FOLDER),
            dtype=dtype,
            device=device,
            hfi=hfi,
            vae_reconstruction=vae_reconstruction,
            prompt_form=prompt_form,
            steps=steps,
            cfg_scale=cfg_scale,
            alpha=alpha,
        )

    def preferred_batch_size(self, capability: Capability) -> int:
        """Small enough for big batches."""
        return 2 * super().preferred_batch_size(capability)


class CheersNanoNoHFI(CheersNano):
    """Control: the same weights with high-frequency injection switched off."""

    card = ModelCard(
        name="cheers-nano-no-hfi",
        summary="Control: cheers-nano with high-frequency injection off.",
        capabilities=_ALL,
        licence="Apache-2.0",
        source="recipes/nano of this project",
        control=True,
    )

    def __init__(self, *, dtype: str = "float32", device: str = "auto") -> None:
        super().__init__(dtype=dtype, device=device, hfi=False)


class CheersNanoUntrained(CheersNano):
    """Control: the architecture and tokenizer of cheers-nano with seeded random weights.

    Args:
        weights_seed: Seed of the weights.
        device: As `CheersAdapter`'s.
    """

    card = ModelCard(
        name="cheers-nano-untrained",
        summary="Control: the architecture of cheers-nano with random weights.",
        capabilities=_ALL,
        licence="Apache-2.0",
        source="recipes/nano of this project",
        control=True,
    )

    def __init__(self, *, weights_seed: int = 0, device: str = "auto") -> None:
        self._weights_seed = weights_seed
        super().__init__(device=device)

    def _load(self) -> Checkpoint:
        from model_adapters.cheers import Checkpoint, fresh_model

        processor = super()._load().processor
        model = fresh_model(processor.config, self._weights_seed).eval().to(self._device)
        return Checkpoint(model, processor)


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    ends = [place for place in (text.find(s) for s in stop if s) if place >= 0]
    return (text[: min(ends)], True) if ends else (text, False)
