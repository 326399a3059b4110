"""Dif-DTok: SANA (arXiv 2410.10629) with TA-Tok's features in the place of a text's embeddings.

Its text encoder has nothing to do and isn't loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import AdapterError, CheckpointError
from harness.records import ImageDecoding, JsonValue
from model_adapters.diffusers_pipeline.arguments import Settings
from model_adapters.diffusers_pipeline.calling import Caller
from model_adapters.diffusers_pipeline.components import networks
from model_adapters.diffusers_pipeline.drawing import draw
from model_adapters.diffusers_pipeline.identity import describe
from model_adapters.diffusers_pipeline.loading import load, need_diffusers
from model_adapters.tar.detokenizers import NEGATIVES, Pictures, check_size
from model_adapters.tar.weights import need, read_tensors

__all__ = ["DifDetokenizer", "load_dif"]


class DifDetokenizer:
    """A SANA pipeline that draws from features.

    Args:
        pipeline: Of diffusers, without text encoder.
        negatives: What guidance leads away from (n, width).
        cfg_scale: Guidance where a request names none.
        steps: Denoising steps where a request names none; `None` is the pipeline's default.
        device: Where the pipeline is.
    """

    def __init__(
        self, pipeline: Any, negatives: Tensor, cfg_scale: float, steps: int | None, device: str
    ) -> None:
        self.size = int(pipeline.transformer.config.sample_size * pipeline.vae_scale_factor)
        self._pipeline, self._device = pipeline, device
        self._negatives = negatives
        self._caller = Caller(
            pipeline,
            Settings.checked(
                steps=steps,
                cfg_scale=cfg_scale,
                width=self.size,
                height=self.size,
                strength=None,
                batching="auto",
                lora_scale=1.0,
                offload="none",
                extra_tensors="report",
                # Binning would draw at the nearest size of a table and enlarge the picture.
                call={"use_resolution_binning": False},
            ),
        )

    def check(self, decoding: ImageDecoding, tokens: int) -> None:
        """Refuse sizes that it doesn't draw, and guidance without embeddings of fitting shape."""
        check_size(self.size, decoding)
        arguments = self._caller.arguments(decoding, 1)
        if _guided(arguments) and len(self._negatives) != tokens:
            raise AdapterError(
                f"Dif-DTok's negative embeddings are for {len(self._negatives)} image tokens, and "
                f"the picture has {tokens}",
                "draw at the scale that they are for (draw_scale=0), or unguided (cfg_scale=1)",
            )

    def draw(self, features: Tensor, seeds: Sequence[int], decoding: ImageDecoding) -> Pictures:
        """Draw all in one call; one by one if the scheduler draws from a global generator."""
        together = self._drawn(features, seeds, decoding)
        if together.images:
            return together
        alone = [
            self._drawn(features[n : n + 1], seeds[n : n + 1], decoding) for n in range(len(seeds))
        ]
        return Pictures([one.images[0] for one in alone], alone[0].nfe)

    def _drawn(self, features: Tensor, seeds: Sequence[int], decoding: ImageDecoding) -> Pictures:
        arguments = self._caller.arguments(decoding, len(seeds))
        arguments |= self._condition(features, guided=_guided(arguments))
        found = draw(self._pipeline, [""] * len(seeds), seeds, arguments, self._device)
        return Pictures(found.images, found.nfe)

    def _condition(self, features: Tensor, *, guided: bool) -> dict[str, Any]:
        """The features as the pipeline takes embeddings of prompts, every token of them seen."""
        embeds = features.to(self._pipeline.transformer.dtype)
        mask = torch.ones(embeds.shape[:2], dtype=torch.int16, device=embeds.device)
        given = {
            "prompt": None,
            "negative_prompt": None,
            "prompt_embeds": embeds,
            "prompt_attention_mask": mask,
        }
        if not guided:
            return given
        return {
            **given,
            "negative_prompt_embeds": self._negatives.to(embeds).expand(len(embeds), -1, -1),
            "negative_prompt_attention_mask": mask,
        }

    @property
    def defaults(self) -> Mapping[str, JsonValue]:
        """What the pipeline is called with where a request leaves it open."""
        return self._caller.defaults

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Transformer and VAE, and the negative embeddings beside them."""
        held = nn.Module()
        held.register_buffer(NEGATIVES, self._negatives)
        parts = networks(self._pipeline)
        return {**{f"sana_{name}": part for name, part in parts.items()}, NEGATIVES: held}

    @property
    def roles(self) -> list[tuple[str, nn.Module]]:
        """The networks that drawing calls."""
        pipeline = self._pipeline
        return [("sana", pipeline.transformer), ("sana_vae_decode", pipeline.vae.decoder)]

    def describe(self) -> dict[str, JsonValue]:
        """Configurations of the pipeline's parts, the scheduler's among them, and numeric type."""
        return {
            "kind": "dif-dtok",
            "size": self.size,
            "dtype": str(self._pipeline.transformer.dtype).removeprefix("torch."),
            **describe(self._pipeline),
        }


def _guided(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments["guidance_scale"] > 1)


def load_dif(
    folder: Path, dtype: str, device: str, *, cfg_scale: float, steps: int | None, width: int
) -> DifDetokenizer:
    """Load a folder of Tar's SANA.

    Args:
        folder: As diffusers writes it, with the converted negative embeddings.
        dtype: Of the transformer; the VAE computes in float32.
        device: Where it goes.
        cfg_scale: Guidance where a request names none.
        steps: Denoising steps where a request names none.
        width: Of TA-Tok's features.

    Raises:
        AdapterError: diffusers isn't installed.
        CheckpointError: A part is missing, damaged, or of another model.
    """
    need_diffusers()
    negatives = _negatives(folder)
    pipeline = load(folder, "float32", device, without=("text_encoder", "tokenizer")).pipeline
    _check_kind(folder, pipeline, negatives, width)
    pipeline.transformer.to(getattr(torch, dtype))
    return DifDetokenizer(pipeline, negatives.to(device), cfg_scale, steps, device)


def _negatives(folder: Path) -> Tensor:
    path = folder / f"{NEGATIVES}.safetensors"
    if not path.is_file() and path.with_suffix(".pth").is_file():
        raise CheckpointError(
            f"{path.with_suffix('.pth')} is a pickle, and pickles aren't read",
            f"convert it once: python -m model_adapters.tar.convert {folder}",
        )
    return need(read_tensors(path), NEGATIVES, path)


def _check_kind(folder: Path, pipeline: Any, negatives: Tensor, width: int) -> None:
    kind = type(pipeline).__name__
    if kind != "SanaPipeline":
        raise CheckpointError(f"{folder} is a {kind}, not a SanaPipeline", "see docs/tar.md")
    takes = pipeline.transformer.config.caption_channels
    if not takes == width == negatives.shape[-1]:
        raise CheckpointError(
            f"{folder} takes conditions of width {takes} and has negative embeddings of "
            f"{negatives.shape[-1]}, but TA-Tok's features have {width}",
            "use Tar's own SANA, such as csuhan/Tar-SANA-600M-512px; stock SANA reads Gemma-2",
        )
