"""Pipelines of diffusers behind the harness's adapter interface.

Importing this module imports neither torch nor diffusers: `cheers-bench list` reads the card.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from harness.adapter import ModelAdapter
from harness.checkpoints import demand
from harness.errors import SpecError
from harness.records import (
    Capability,
    EditImageRequest,
    Fingerprint,
    GenerateImageRequest,
    JsonValue,
    ModelCard,
    ReconstructRequest,
    Response,
    Timing,
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
    weights_sha256,
)
from model_adapters.diffusers_pipeline.arguments import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.components import ComponentWork
    from model_adapters.diffusers_pipeline.calling import Caller

__all__ = ["DiffusersPipeline"]

CODE_VERSION = "1"
"""Raised when the same weights and requests would give other responses."""

BATCHED = frozenset(
    {
        "FluxPipeline",
        "SanaPipeline",
        "StableDiffusion3Pipeline",
        "StableDiffusionPipeline",
        "StableDiffusionXLPipeline",
    }
)
"""Pipelines whose pictures are shown by tests not to depend on the batch. Others may pad prompts
to the longest of a batch and attend to the padding, so their requests are served one by one."""


class DiffusersPipeline(ModelAdapter):
    """A text-to-image or editing pipeline that diffusers knows.

    Args:
        path: Folder with model_index.json and components as safetensors, or a hub id.
        revision: Branch, tag or commit of a hub id.
        variant: Which of several sets of weights, such as `fp16`.
        dtype: `auto` (bfloat16 on a GPU, float32 on the CPU), `float32`, `bfloat16`, `float16`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        scheduler: Class of the scheduler in the place of the pipeline's own.
        steps: Denoising steps where a task names none.
        cfg_scale: Guidance scale where a task names none.
        width: Pixels where a task names none.
        height: Pixels where a task names none.
        strength: Lets a text-to-image pipeline edit by image-to-image: the share of the noise
            schedule that it runs through, in (0, 1].
        safety_checker: Whether a pipeline's safety checker looks at pictures.
        batching: `auto`, `together` or `alone`; see `BATCHED`.
        vae_channels_last: Whether the VAE's convolutions have their channels last in memory.
        lora: A low-rank adapter for the weights: a .safetensors file, a folder with one, or a hub
            id.
        lora_scale: What it's multiplied by.
        offload: `model` or `sequential` keeps weights in main memory and brings components, or
            layers, to the GPU when they're needed.
        extra_tensors: `report` names tensors that have no place in the fingerprint; `refuse` is
            stricter.
        call: Further arguments of the pipeline's call.

    Raises:
        AdapterError: diffusers isn't installed.
        CheckpointError: The checkpoint is missing or doesn't fit.
        SpecError: An argument has a value that it can't have.
    """

    card = ModelCard(
        name="diffusers",
        summary="Any text-to-image or editing pipeline of diffusers, by folder or hub id.",
        capabilities=frozenset(
            {
                Capability.GENERATE_IMAGE,
                Capability.EDIT_IMAGE,
                Capability.RECONSTRUCT,
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
        variant: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        scheduler: str | None = None,
        steps: int | None = None,
        cfg_scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        strength: float | None = None,
        safety_checker: bool = True,
        batching: str = "auto",
        vae_channels_last: bool = False,
        lora: str | None = None,
        lora_scale: float = 1.0,
        offload: str = "none",
        extra_tensors: str = "report",
        call: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._settings = Settings.checked(
            steps=steps,
            cfg_scale=cfg_scale,
            width=width,
            height=height,
            strength=strength,
            call=call,
            batching=batching,
            lora_scale=lora_scale,
            offload=offload,
            extra_tensors=extra_tensors,
        )
        self._device = choose_device(device)
        _can_offload(offload, self._device)
        self.dtype = choose_dtype(dtype, self._device)
        demand(path, self.card.name)
        from model_adapters.diffusers_pipeline.loading import find, need_diffusers

        need_diffusers()
        file = self._find_lora(lora)
        folder = find(path, revision, variant)
        safety = _switch("safety_checker", safety_checker)
        self._pipeline = self._load(folder, variant, safety=safety)
        self._lora = self._with_lora(file)
        self._channels_last = _switch("vae_channels_last", vae_channels_last)
        self._prepare(scheduler)
        self._weights_sha256: str | None = None
        self._offload()

    def _load(self, folder: Path, variant: str | None, *, safety: bool) -> Any:
        """The pipeline, on its device unless its weights stay in main memory."""
        from model_adapters.diffusers_pipeline.loading import load, refuse_unused

        place = self._device if self._settings.offload == "none" else "cpu"
        pipeline, self._unused = load(folder, self.dtype, place, variant, safety=safety)
        if self._settings.extra_tensors == "refuse":
            refuse_unused(folder, self._unused)
        return pipeline

    def _find_lora(self, location: str | None) -> Path | None:
        from model_adapters.diffusers_pipeline.lora import find_lora

        return None if location is None else find_lora(location)

    def _with_lora(self, file: Path | None) -> Mapping[str, JsonValue]:
        """Add a LoRA, if one is named, and say what it is."""
        from model_adapters.diffusers_pipeline.lora import add_lora

        return {} if file is None else add_lora(self._pipeline, file, self._settings.lora_scale)

    def _offload(self) -> None:
        """Hand the weights' moves to accelerate; hashed before, since layers leave their places."""
        from model_adapters.diffusers_pipeline.loading import offload

        if self._settings.offload != "none":
            self.fingerprint()
            offload(self._pipeline, self._settings.offload, self._device)

    def _prepare(self, scheduler: str | None) -> None:
        """Scheduler, memory layout, and what the pipeline can be called for."""
        from model_adapters.diffusers_pipeline.calling import Caller, edits, image_to_image
        from model_adapters.diffusers_pipeline.loading import with_scheduler
        from model_adapters.diffusers_pipeline.reconstruction import can_reconstruct

        pipeline, settings = self._pipeline, self._settings
        with_scheduler(pipeline, scheduler)
        if self._channels_last and getattr(pipeline, "vae", None) is not None:
            pipeline.vae.to(memory_format=_channels_last())
        draws, takes_picture = edits(pipeline)
        editor = pipeline if takes_picture else None
        if settings.strength is not None and editor is None:
            editor = image_to_image(pipeline)
        self._drawer = Caller(pipeline, settings) if draws else None
        self._editor = (
            Caller(editor, settings, editing=True, beside=draws) if editor is not None else None
        )
        name = type(pipeline).__name__
        self._alone = settings.batching == "alone" or (
            settings.batching == "auto" and name not in BATCHED
        )
        self._strength_is_taken()
        self.card = msgspec.structs.replace(
            type(self).card,
            capabilities=self._capabilities(reconstructs=can_reconstruct(pipeline)),
        )

    def _strength_is_taken(self) -> None:
        strength, editor = self._settings.strength, self._editor
        if strength is not None and editor is not None and "strength" not in editor.parameters:
            raise SpecError(f"{editor.name} takes no strength", "leave out strength")

    def _capabilities(self, *, reconstructs: bool) -> frozenset[Capability]:
        can = {
            Capability.GENERATE_IMAGE: self._drawer is not None,
            Capability.EDIT_IMAGE: self._editor is not None,
            Capability.RECONSTRUCT: reconstructs,
            Capability.COMPONENTS: True,
        }
        return frozenset(capability for capability, there in can.items() if there)

    def fingerprint(self) -> Fingerprint:
        """Identity of weights, configurations, scheduler, tokenizers and defaults."""
        from torch import nn

        from model_adapters.diffusers_pipeline.components import networks
        from model_adapters.diffusers_pipeline.identity import describe

        modules = networks(self._pipeline)
        if self._weights_sha256 is None:
            self._weights_sha256 = weights_sha256(nn.ModuleDict(modules))
        return Fingerprint(
            model=self.card.name,
            adapter=f"{type(self).__module__}.{type(self).__qualname__}",
            code_version=CODE_VERSION,
            weights_sha256=self._weights_sha256,
            config={
                **describe(self._pipeline),
                "batching": self._settings.batching,
                "vae_channels_last": self._channels_last,
                **({"lora": self._lora} if self._lora else {}),
                **({"unused_tensors": self._unused} if self._unused else {}),
            },
            defaults={
                kind: {"pipeline": caller.name, "call": dict(caller.call), **caller.defaults}
                for kind, caller in (("draw", self._drawer), ("edit", self._editor))
                if caller is not None
            },
            dtype=self.dtype,
            device=device_name(self._device),
            parameters=sum(self.parameters_by_part().values()),
        )

    def parameters_by_part(self) -> Mapping[str, int]:
        """Text encoders, denoiser, VAE and the rest, as the pipeline names them."""
        from torch import nn

        from harness.torch_support import count_parameters
        from model_adapters.diffusers_pipeline.components import networks

        parts = networks(self._pipeline)
        return count_parameters(nn.ModuleDict(parts), parts)

    def preferred_batch_size(self, capability: Capability) -> int:
        """One where requests are served one by one anyway."""
        return 1 if self._alone or capability is Capability.EDIT_IMAGE else 4

    @guards_memory
    @as_stated
    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        """Draw a batch; requests share one decoding."""
        if self._drawer is None:
            raise self._lacks(Capability.GENERATE_IMAGE)
        if not self._alone and len(requests) > 1:
            drawn = self._drawn(self._drawer, requests)
            if drawn:
                return drawn
            self._alone = True  # the scheduler draws from torch's global generator
        return [self._drawn(self._drawer, [request])[0] for request in requests]

    @guards_memory
    @as_stated
    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        """Edit pictures one by one, since they differ in size."""
        from harness.rgb import as_rgb

        if self._editor is None:
            raise self._lacks(Capability.EDIT_IMAGE)
        return [
            self._drawn(self._editor, [request], image=as_rgb(request.image))[0]
            for request in requests
        ]

    @guards_memory
    @as_stated
    def reconstruct(self, requests: Sequence[ReconstructRequest]) -> list[Response]:
        """Encode and decode with the VAE, one by one, at each picture's own size."""
        from model_adapters.diffusers_pipeline.reconstruction import reconstruct

        if Capability.RECONSTRUCT not in self.card.capabilities:
            raise self._lacks(Capability.RECONSTRUCT)
        return [
            Response(image=reconstruct(self._pipeline, request.image, self._device))
            for request in requests
        ]

    def close(self) -> None:
        """Let go of the weights, so that judges have the memory."""
        vars(self).pop("_drawer", None)
        vars(self).pop("_editor", None)
        let_go(self, "_pipeline")

    def watch_components(
        self, *, count: bool
    ) -> AbstractContextManager[Mapping[str, ComponentWork]]:
        """Time, or operations and bytes, of text encoders, denoiser and VAE."""
        from model_adapters.diffusers_pipeline.components import watch_components

        return watch_components(self._pipeline, self._device, count=count)

    def _drawn(
        self,
        caller: Caller,
        requests: Sequence[GenerateImageRequest] | Sequence[EditImageRequest],
        **pictures: Any,
    ) -> list[Response]:
        """One call; nothing if these requests can't share one."""
        from model_adapters.diffusers_pipeline.drawing import draw

        start, count = time.perf_counter(), len(requests)
        drawn = draw(
            caller.pipeline,
            [request.prompt for request in requests],
            [stream_seed(request.seed, "noise") for request in requests],
            {**caller.arguments(requests[0].decoding, count), **pictures},
            self._device,
        )
        timing = Timing(
            ttft_s=None if drawn.first is None else drawn.first - start,
            total_s=time.perf_counter() - start,
            batch_size=count,
        )
        usage = Usage(nfe=drawn.nfe)
        return [Response(image=image, usage=usage, timing=timing) for image in drawn.images]


def _channels_last() -> Any:
    import torch

    return torch.channels_last


def _can_offload(offload: str, device: str) -> None:
    if offload != "none" and not device.startswith("cuda"):
        raise SpecError(
            f"offload={offload} moves weights to a GPU, and the device is {device}",
            "leave out offload",
        )


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"{name}={value!r} is neither on nor off", f"write {name}=off")
    return value
