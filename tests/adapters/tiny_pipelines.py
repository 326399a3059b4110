"""Pipelines of diffusers with a few thousand random weights, in folders as the hub's.

`save_tiny_pipeline(folder, "sd")` writes model_index.json and every component, without a network.
Then `--model diffusers:FOLDER` drives it like a real one. They draw 16x16 pixels or so, and know
nothing, but their pictures depend on every prompt and every seed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from model_adapters.diffusers_pipeline.quiet import quietly
from tests.adapters.tiny_vlms import enliven

__all__ = ["FAMILIES", "save_tiny_pipeline"]

LENGTH = 24
"""Tokens that a text encoder takes."""
WIDTH = 16
"""Width of every text encoder."""
PAD, EOS = "<pad>", "</s>"


def save_tiny_pipeline(folder: Path, family: str = "sd", seed: int = 0) -> Path:
    """Write a tiny random pipeline.

    Args:
        folder: Where to write; made if missing.
        family: One of `FAMILIES`.
        seed: Seed of the weights.
    """
    with quietly():
        pipeline = FAMILIES[family]()
    for _, part in sorted(pipeline.components.items()):
        if isinstance(part, torch.nn.Module):
            enliven(part, seed)
            if isinstance(part, diffusers.AutoencoderKL):
                calm(part)
    with quietly():
        pipeline.save_pretrained(folder)
    return folder


@torch.no_grad()
def calm(vae: Any) -> None:
    """Keep the decoder's values in its range, where two pictures differ."""
    last = [module for module in vae.decoder.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    last.weight.mul_(0.1)


def words() -> PreTrainedTokenizerFast:
    """Every byte is a token, and an end token follows the last."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.add_special_tokens([PAD, EOS])
    bpe.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, bpe.token_to_id(EOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, eos_token=EOS, model_max_length=LENGTH
    )


def ids() -> dict[str, int]:
    vocabulary = words()
    return {
        "vocab_size": len(vocabulary),
        "pad_token_id": vocabulary.pad_token_id,
        "eos_token_id": vocabulary.eos_token_id,
        "bos_token_id": vocabulary.eos_token_id,
    }


def clip(projection: int | None = None) -> Any:
    config = transformers.CLIPTextConfig(
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=projection or WIDTH,
        **ids(),
    )
    if projection is None:
        return transformers.CLIPTextModel(config)
    return transformers.CLIPTextModelWithProjection(config)


def t5() -> Any:
    return transformers.T5EncoderModel(
        transformers.T5Config(
            d_model=WIDTH,
            d_kv=8,
            d_ff=24,
            num_layers=2,
            num_heads=2,
            tie_word_embeddings=False,
            **ids(),
        )
    )


def vae(channels: int = 4, **fields: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        mid_block_add_attention=False,  # quadratic in the pixels of so shallow a VAE
        **fields,
    )


def unet(**fields: Any) -> Any:
    common = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
    }
    return diffusers.UNet2DConditionModel(**{**common, **fields})


def stable_diffusion(kind: Any = None, channels: int = 4, **fields: Any) -> Any:
    return (kind or diffusers.StableDiffusionPipeline)(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=words(),
        unet=unet(in_channels=channels),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        **{"safety_checker": None, "requires_safety_checker": False, "feature_extractor": None}
        | fields,
    )


def with_safety_checker() -> Any:
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    size = {
        "hidden_size": WIDTH,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = transformers.CLIPConfig(
        text_config={**size, **ids()},
        vision_config={**size, "image_size": 8, "patch_size": 4},
        projection_dim=WIDTH,
    )
    return stable_diffusion(
        safety_checker=StableDiffusionSafetyChecker(config),
        requires_safety_checker=True,
        feature_extractor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}
        ),
    )


def pix2pix() -> Any:
    return stable_diffusion(diffusers.StableDiffusionInstructPix2PixPipeline, channels=8)


def sdxl() -> Any:
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip(),
        text_encoder_2=clip(WIDTH),
        tokenizer=words(),
        tokenizer_2=words(),
        unet=unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
    )


def sd3() -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=16,
        pooled_projection_dim=2 * WIDTH,
        out_channels=4,
        pos_embed_max_size=16,
    )
    return diffusers.StableDiffusion3Pipeline(
        vae=vae(shift_factor=0.06, scaling_factor=1.5, use_quant_conv=False),
        text_encoder=clip(WIDTH),
        tokenizer=words(),
        text_encoder_2=clip(WIDTH),
        tokenizer_2=words(),
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def flux(*, distilled: bool = True) -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=distilled,
    )
    return diffusers.FluxPipeline(
        vae=vae(shift_factor=0.1, scaling_factor=0.4),
        text_encoder=clip(),
        tokenizer=words(),
        text_encoder_2=t5(),
        tokenizer_2=words(),
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def sana(captions: int = WIDTH, side: int = 8) -> Any:
    """SANA.

    Args:
        captions: Width of what it's conditioned on.
        side: Of the latent; a pixel's share of it is a half.
    """
    transformer = diffusers.SanaTransformer2DModel(
        sample_size=side,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=captions,
    )
    torch.nn.init.constant_(transformer.caption_norm.weight, 3.0)  # else the prompt hardly shows
    dc = diffusers.AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
    )
    gemma = transformers.Gemma2Model(
        transformers.Gemma2Config(
            hidden_size=WIDTH,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            **ids(),
        )
    )
    return diffusers.SanaPipeline(
        tokenizer=words(),
        text_encoder=gemma,
        vae=dc,
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


FAMILIES: dict[str, Callable[[], Any]] = {
    "sd": stable_diffusion,
    "sd-safe": with_safety_checker,
    "sdxl": sdxl,
    "sd3": sd3,
    "flux": flux,
    "flux-schnell": lambda: flux(distilled=False),
    "sana": sana,
    "pix2pix": pix2pix,
}
"""What `save_tiny_pipeline` can make."""
