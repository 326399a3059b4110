"""cheers-nano with bugs of the kind that slip through reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from harness.records import Response
from model_adapters.cheers import Checkpoint
from model_adapters.cheers.embedded import CheersNano

__all__ = ["NoisyVAE", "ShiftedTokens", "SwappedChannels", "Unguided"]

LAYER = "vae_model.decoder.mid.block_1.conv2.weight"


class NoisyVAE(CheersNano):
    """One layer of the VAE's decoder has lost precision: noise as large as half its spread."""

    def _load(self) -> Checkpoint:
        import torch

        checkpoint = super()._load()
        weight = dict(checkpoint.model.named_parameters())[f"model.{LAYER}"]
        noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            weight += 0.5 * weight.std() * noise
        return checkpoint


class SwappedChannels(CheersNano):
    """Pictures leave as BGR."""

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        return [_swapped(response) for response in super().generate_image(requests)]

    def edit_image(self, requests: Sequence[Any]) -> list[Response]:
        return [_swapped(response) for response in super().edit_image(requests)]

    def reconstruct(self, requests: Sequence[Any]) -> list[Response]:
        return [_swapped(response) for response in super().reconstruct(requests)]


def _swapped(response: Response) -> Response:
    assert response.image is not None
    pixels = np.asarray(response.image)[..., ::-1]
    return msgspec.structs.replace(response, image=Image.fromarray(np.ascontiguousarray(pixels)))


class Unguided(CheersNano):
    """Draws without guidance, whatever it's asked; nothing in the fingerprint shows it."""

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        return super().generate_image([_unguided(request) for request in requests])


def _unguided(request: Any) -> Any:
    decoding = msgspec.structs.replace(request.decoding, cfg_scale=1.0)
    return msgspec.structs.replace(request, decoding=decoding)


class ShiftedTokens(CheersNano):
    """The tokenizer's words are off by one, as if a special token had been added in front."""

    def _load(self) -> Checkpoint:
        checkpoint = super()._load()
        config, tokenizer = checkpoint.model.config, checkpoint.processor.tokenizer
        encode, last = tokenizer.encode, config.text_config.vocab_size - 1
        special = max(config.to_dict()["special_token_ids"].values())
        tokenizer.encode = lambda text: [
            min(token + 1, last) if token > special else token for token in encode(text)
        ]
        return checkpoint
