"""CHEERS behind the harness's adapter interface.

Importing this module imports no torch: `cheers-bench list` reads the cards only.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.adapter import Explanation, ModelAdapter, VisionTokens
from harness.errors import AdapterError
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    Fingerprint,
    FinishReason,
    GenerateImageRequest,
    ImageDecoding,
    JsonValue,
    LogLikelihoodRequest,
    ModelCard,
    ReconstructRequest,
    Request,
    Response,
    TextDecoding,
    Timing,
    Usage,
)
from harness.seeds import stream_seed
from harness.text import cut_at_stop
from harness.torch_support import (
    as_stated,
    choose_device,
    choose_dtype,
    device_name,
    guards_memory,
    let_go,
    wait_for,
    weights_sha256,
)
from model_adapters.cheers.arguments import (
    Switches,
    checked_slots,
    checked_solver,
    generation_defaults,
)
from model_adapters.cheers.speed import Speed, tuned

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.components import ComponentWork
    from model_adapters.cheers import Checkpoint, ImageResult, ImageSettings, Prompt, TextResult
    from model_adapters.cheers.accounting import Look
    from model_adapters.cheers.likelihood import LogLikelihood
    from model_adapters.cheers.raw_text import RawText, ToScore

__all__ = ["ALL_CAPABILITIES", "CheersAdapter"]

CODE_VERSION = "2"
"""Raised when the same weights and requests would give other responses."""

ALL_CAPABILITIES = frozenset(Capability)
"""CHEERS can do everything that the harness asks for."""

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
        solver: How the flow is integrated: `euler` (official), `heun`, `midpoint`, `ab2`.
        slots: Answers decoded at once. Where given, four times as many requests are taken in one
            call, and each answer that ends makes room for the next; by default a call is decoded
            as a whole.
        compile: Mode of `torch.compile` for VAE decoder, decoder projector, tower and head, and for
            the backbone's passes over a token and an image: `off`, `default`,
            `max-autotune-no-cudagraphs`, and with CUDA graphs (but not in the backbone)
            `reduce-overhead` and `max-autotune`.
        attention: Kernel that attention prefers: `auto`, `flash`, `efficient`, `cudnn`, `math`.
        channels_last: Whether convolutions store their channels last.

    Raises:
        CheckpointError: The checkpoint is missing or doesn't fit.
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="cheers",
        summary="A CHEERS checkpoint of the official layout, by folder or hub id.",
        capabilities=ALL_CAPABILITIES,
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
        solver: str = "euler",
        slots: int | None = None,
        compile: str = "off",  # noqa: A002 - torch's own word
        attention: str = "auto",
        channels_last: bool = True,
    ) -> None:
        self._switches = Switches.checked(
            hfi=hfi, vae_reconstruction=vae_reconstruction, prompt_form=prompt_form
        )
        self._solver = checked_solver(solver)
        self._slots = checked_slots(slots)
        self._device = choose_device(device)
        self.dtype = choose_dtype(dtype, self._device)
        self.speed = Speed.checked(
            compile=compile,
            attention=attention,
            channels_last=channels_last,
            device=self._device,
        )
        self._folder = self._locate(path, revision)
        self._checkpoint = self._prepared()
        given = {"steps": steps, "cfg_scale": cfg_scale, "alpha": alpha}
        self._defaults = generation_defaults(self._folder, given)
        self._weights_sha256: str | None = None
        self._look: Look | None = None

    def _locate(self, path: str, revision: str | None) -> Path:
        from harness.checkpoints import demand, resolve

        demand(path, self.card.name)
        return resolve(path, revision)

    def _prepared(self) -> Checkpoint:
        checkpoint = self._load()
        self.speed.apply(checkpoint.model)
        return checkpoint

    def _load(self) -> Checkpoint:
        from model_adapters.cheers import from_pretrained

        return from_pretrained(self._folder, self.dtype, self._device)

    def fingerprint(self) -> Fingerprint:
        """Identity of weights, configuration, switches and defaults."""
        model = self._checkpoint.model
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=self._hash(),
            config={
                **model.config.to_dict(),
                "switches": self._switches.to_dict(),
                **self._speed_config(),
            },
            defaults={**self._defaults, **self._unofficial()},
            dtype=self.dtype,
            device=device_name(self._device),
            parameters=sum(p.numel() for p in model.parameters()),
        )

    def _unofficial(self) -> dict[str, JsonValue]:
        """The solver, where it isn't the official one, which goes without saying."""
        return {} if self._solver == "euler" else {"solver": self._solver}

    def _speed_config(self) -> dict[str, JsonValue]:
        """What rounds otherwise than by default."""
        given = self.speed.to_dict()
        return {"speed": given} if given else {}

    def _hash(self) -> str:
        """SHA-256 over the loaded tensors, computed once."""
        if self._weights_sha256 is None:
            self._weights_sha256 = weights_sha256(self._checkpoint.model)
        return self._weights_sha256

    def parameters_by_part(self) -> Mapping[str, int]:
        """The components that `probe-latency` times; tied embeddings count for the first."""
        from harness.torch_support import count_parameters
        from model_adapters.cheers.components import COMPONENTS

        model = self._checkpoint.model
        parts = {name: _inner(model.model, path) for name, path in COMPONENTS.items()}
        return count_parameters(model, parts)

    def preferred_batch_size(self, capability: Capability) -> int:
        """More answers than images fit into memory."""
        if capability is Capability.ANSWER and self._slots is not None:
            return 4 * self._slots
        return 16 if capability in (Capability.ANSWER, Capability.LOGLIKELIHOOD) else 8

    def batch_key(self, request: Request) -> Hashable:
        """Prompts with equally many images pad little; sizes don't matter, all become one size."""
        if isinstance(request, AnswerRequest | LogLikelihoodRequest):
            return len(request.images)
        return None

    @guards_memory
    @as_stated
    @tuned
    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Answer a batch; requests share one decoding."""
        from model_adapters.cheers.answering import answer_batch

        watch, decoding = _Watch(requests), requests[0].decoding
        prompts = [self._answer_prompt(request) for request in requests]
        seeds = [stream_seed(request.seed, "sampling") for request in requests]
        watch.prepared()
        answers = answer_batch(
            self._checkpoint.model,
            prompts,
            decoding,
            seeds,
            self._switches.ablations(),
            slots=self._slots,
        )
        timings = [watch.timing(first) for first in answers.ttft]
        return [
            self._text_response(prompt, result, entered, decoding, timing)
            for prompt, result, entered, timing in zip(
                prompts, answers.results, answers.vision_tokens, timings, strict=True
            )
        ]

    @guards_memory
    @as_stated
    @tuned
    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw a batch; requests share one decoding."""
        return self._draw(requests, [() for _ in requests])

    @guards_memory
    @as_stated
    @tuned
    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        """Edit a batch; requests share one decoding."""
        return self._draw(requests, [(request.image,) for request in requests])

    @guards_memory
    @as_stated
    @tuned
    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        """Score every continuation of a batch; a prompt is run once for all that follow it."""
        from model_adapters.cheers import loglikelihood

        watch = _Watch(requests)
        asked = [self._to_score(request) for request in requests]
        flat = [task for request in asked for part in request for task in part]
        scores = iter(
            loglikelihood(
                self._checkpoint.model,
                [prompt for prompt, _ in flat],
                [ids for _, ids in flat],
                self._switches.ablations(),
            )
            if flat
            else ()
        )
        timing = watch.timing()
        return [
            self._scores([[next(scores) for _ in part] for part in request], request, timing)
            for request in asked
        ]

    @guards_memory
    @as_stated
    @tuned
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
        from model_adapters.cheers.accounting import account, look

        if self._look is None:
            self._look = look(self._checkpoint.model)
        return account(self._checkpoint.model, self._look, width, height)

    @as_stated
    @tuned
    def prefill(self, tokens: int) -> int | None:
        """Run the backbone over the tokens of one image."""
        from model_adapters.cheers.accounting import prefill

        filled = prefill(self._checkpoint.model, tokens)
        wait_for(self._device)
        return filled

    def close(self) -> None:
        """Let go of the weights, so that judges have the memory."""
        let_go(self, "_checkpoint")

    def watch_components(
        self, *, count: bool
    ) -> AbstractContextManager[Mapping[str, ComponentWork]]:
        """Time, or operations and bytes, of each component; the backbone by phase."""
        from model_adapters.cheers import watch_components

        return watch_components(self._checkpoint.model, count=count)

    def _to_score(self, request: LogLikelihoodRequest) -> list[list[ToScore]]:
        """What is to be scored for each continuation; only rolling texts have several parts."""
        if request.raw:
            seed = stream_seed(request.seed, "dummy-image")
            return self._raw(request).to_score(request, seed)
        prompt, encode = self._answer_prompt(request), self._checkpoint.processor.tokenizer.encode
        return [[(prompt, encode(text))] for text in request.continuations]

    def _scores(
        self,
        scores: Sequence[Sequence[LogLikelihood]],
        asked: Sequence[Sequence[ToScore]],
        timing: Timing,
    ) -> Response:
        prompts = [prompt for part in asked for prompt, _ in part]
        return Response(
            loglikelihoods=tuple(sum((one.total for one in part), 0.0) for part in scores),
            is_greedy=tuple(all(one.greedy for one in part) for part in scores),
            usage=self._usage(prompts[0]) if prompts else Usage(),
            timing=timing,
        )

    def _raw(self, request: AnswerRequest | LogLikelihoodRequest) -> RawText:
        from model_adapters.cheers.raw_text import RawText

        if request.images:
            raise AdapterError(
                "a raw text has no place for pictures", "ask about pictures with a chat template"
            )
        return RawText(self._checkpoint.processor, self._switches.prompt_form)

    def explain(self, request: Request) -> Explanation:
        """Draw one image again with the gate's heat maps and what each step pointed at."""
        from model_adapters.cheers import to_image
        from model_adapters.cheers.explaining import explain_image

        if not isinstance(request, GenerateImageRequest | EditImageRequest):
            return super().explain(request)
        editing = isinstance(request, EditImageRequest)
        sources = (request.image,) if isinstance(request, EditImageRequest) else ()
        prompt = self._image_prompt(request, sources)
        shown = explain_image(
            self._checkpoint.model,
            prompt,
            stream_seed(request.seed, "noise"),
            self._settings(request.decoding),
            editing=editing,
        )
        return Explanation(Response(image=to_image(shown.result.image)), shown.pictures)

    def _answer_prompt(self, request: AnswerRequest | LogLikelihoodRequest) -> Prompt:
        if isinstance(request, AnswerRequest) and request.raw:
            return self._raw(request).to_continue(
                request.prompt,
                request.decoding.max_new_tokens,
                stream_seed(request.seed, "dummy-image"),
            )
        return self._checkpoint.processor.answer_prompt(
            request.prompt,
            list(request.images),
            seed=stream_seed(request.seed, "dummy-image"),
            form=self._switches.prompt_form,
        )

    def _draw(self, requests: Sequence[Any], sources: Sequence[Sequence[Image]]) -> list[Response]:
        from model_adapters.cheers.drawing import draw_batch

        watch, settings = _Watch(requests), self._settings(requests[0].decoding)
        prompts = [
            self._image_prompt(request, images)
            for request, images in zip(requests, sources, strict=True)
        ]
        seeds = [stream_seed(request.seed, "noise") for request in requests]
        watch.prepared()
        drawn = draw_batch(
            self._checkpoint.model, prompts, seeds, settings, editing=bool(sources[0])
        )
        timing = watch.timing(drawn.first_step)
        return [
            self._image_response(prompt, result, drawn.nfe, timing)
            for prompt, result in zip(prompts, drawn.results, strict=True)
        ]

    def _image_prompt(
        self, request: GenerateImageRequest | EditImageRequest, images: Sequence[Image]
    ) -> Prompt:
        return self._checkpoint.processor.image_prompt(
            request.prompt,
            list(images),
            seed=stream_seed(request.seed, "dummy-image"),
            form=self._switches.prompt_form,
        )

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
            solver=self._solver,
            ablations=self._switches.ablations(),
        )

    def _usage(self, prompt: Prompt, **counts: int) -> Usage:
        per_image = self._checkpoint.model.config.tokens_per_image
        given = {"vision_tokens": len(prompt.images) * per_image, **counts}
        return Usage(prompt_tokens=sum(token >= 0 for token in prompt.ids), **given)

    def _text_response(
        self,
        prompt: Prompt,
        result: TextResult,
        entered: int,
        decoding: TextDecoding,
        timing: Timing,
    ) -> Response:
        text, stopped = cut_at_stop(self._checkpoint.processor.decode(result.ids), decoding.stop)
        return Response(
            text=text,
            finish_reason=FinishReason.STOP if stopped else _FINISH[result.finish_reason],
            usage=self._usage(prompt, completion_tokens=len(result.ids), vision_tokens=entered),
            timing=timing,
        )

    def _image_response(
        self, prompt: Prompt, result: ImageResult, nfe: int, timing: Timing
    ) -> Response:
        from model_adapters.cheers import to_image

        return Response(
            image=to_image(result.image), usage=self._usage(prompt, nfe=nfe), timing=timing
        )


class _Watch:
    """Times a batch from the call on, the preparation of its prompts included."""

    def __init__(self, requests: Sequence[Any]) -> None:
        self._size = len(requests)
        self._start = time.perf_counter()
        self._preparation = 0.0

    def prepared(self) -> None:
        """Note that the prompts are ready for the model."""
        self._preparation = time.perf_counter() - self._start

    def timing(self, first: float | None = None) -> Timing:
        """The timing, now that all is done.

        Args:
            first: Seconds from `prepared` to the first token or step.
        """
        return Timing(
            ttft_s=None if first is None else self._preparation + first,
            total_s=time.perf_counter() - self._start,
            batch_size=self._size,
        )


def _inner(module: Any, path: str) -> Any:
    """What lies at a dotted path below a module; `None` if this model lacks it."""
    for name in path.split("."):
        module = getattr(module, name, None)
    return module
