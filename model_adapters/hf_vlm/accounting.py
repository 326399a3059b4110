"""Vision tokens of a picture, counted on what the processor really makes of it."""

from __future__ import annotations

from typing import Any

from harness.adapter import VisionTokens
from harness.errors import AdapterError
from model_adapters.hf_vlm.inputs import Inputs, prepare
from model_adapters.hf_vlm.loading import Checkpoint

__all__ = ["account", "cache_bytes"]


def account(checkpoint: Checkpoint, width: int, height: int, device: str) -> VisionTokens:
    """Account of one picture.

    Args:
        checkpoint: Model and processor.
        width: Pixels.
        height: Pixels.
        device: Where the model is.

    Raises:
        AdapterError: The model has no token for pictures, or its patches can't be counted.
    """
    from PIL import Image

    inputs = prepare(checkpoint, [""], [[Image.new("RGB", (width, height))]], device)
    tokens = inputs.vision_tokens[0]
    if not tokens:
        raise AdapterError(
            f"{type(checkpoint.model).__name__} marks no tokens as those of a picture",
            "its vision tokens can't be counted; leave out probe-tokens",
        )
    patches = _patches(checkpoint, inputs)
    return VisionTokens(
        width=width,
        height=height,
        latent_grid=None,
        patches=patches,
        llm_tokens=tokens,
        kv_cache_bytes=cache_bytes(checkpoint.model, tokens),
        kv_cache_bytes_uncompressed=cache_bytes(checkpoint.model, patches),
    )


def _patches(checkpoint: Checkpoint, inputs: Inputs) -> int:
    """Patches of all tiles that the vision tower attends over."""
    grid = inputs.tensors.get("image_grid_thw")
    if grid is not None:
        return int(grid.prod(-1).sum())
    pixels = inputs.tensors.get("pixel_values")
    side = getattr(getattr(checkpoint.model.config, "vision_config", None), "patch_size", None)
    if pixels is None or side is None or pixels.shape[-3] != 3:
        raise AdapterError(
            f"the patches of {type(checkpoint.model).__name__} can't be counted",
            "leave out probe-tokens",
        )
    rows, columns = side if isinstance(side, list | tuple) else (side, side)
    tiles = pixels.numel() // (3 * pixels.shape[-2] * pixels.shape[-1])
    return int(tiles * (pixels.shape[-2] // rows) * (pixels.shape[-1] // columns))


def cache_bytes(model: Any, tokens: int) -> int:
    """Bytes of keys and values of `tokens` tokens in all layers."""
    text = model.config.get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * head * tokens * model.dtype.itemsize)
