"""A Mask2Former of two hundred thousand weights, the same for both backends."""

from __future__ import annotations

from typing import Any

import numpy as np
from skimage import data, transform

QUERIES = 12


def tiny_mmdet_config() -> Any:
    from tasks.judges.mask2former.mmdet_backend import mmdet_config

    config = mmdet_config()
    config.model.backbone.update(embed_dims=16, depths=[2, 1, 1, 1], num_heads=[1, 2, 2, 4])
    head = config.model.panoptic_head
    head.update(in_channels=[16, 32, 64, 128], feat_channels=32, out_channels=32)
    head.num_queries = QUERIES
    head.pixel_decoder.norm_cfg.num_groups = 32
    encoder = head.pixel_decoder.encoder
    encoder.num_layers = 1
    encoder.layer_cfg.self_attn_cfg.update(embed_dims=32, num_heads=4)
    encoder.layer_cfg.ffn_cfg.update(embed_dims=32, feedforward_channels=48)
    head.pixel_decoder.positional_encoding.num_feats = 16
    head.positional_encoding.num_feats = 16
    decoder = head.transformer_decoder
    decoder.num_layers = 2
    for name in ("self_attn_cfg", "cross_attn_cfg"):
        decoder.layer_cfg[name].update(embed_dims=32, num_heads=4)
    decoder.layer_cfg.ffn_cfg.update(embed_dims=32, feedforward_channels=40)
    return config


def tiny_transformers_config() -> Any:
    from transformers import Mask2FormerConfig, SwinConfig

    backbone = SwinConfig(
        embed_dim=16,
        depths=[2, 1, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=7,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    return Mask2FormerConfig(
        backbone_config=backbone,
        num_labels=80,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=48,
        encoder_layers=1,
        decoder_layers=3,  # one more than layers: the last prediction counts
        num_attention_heads=4,
        dim_feedforward=40,
        num_queries=QUERIES,
    )


def stir(state: dict[str, Any], seed: int = 0) -> None:
    """Random values in every tensor, so that nothing can be swapped unnoticed, and loud classes."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        scale = (
            2.0 if "cls_embed" in name else 0.3 if tensor.ndim < 2 else tensor[0].numel() ** -0.5
        )
        offset = 1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0
        tensor.copy_(offset + scale * noise)


def photographs() -> list[np.ndarray]:
    """Real photographs of several sizes."""
    images = (data.astronaut(), data.chelsea(), data.coffee())
    shapes = ((96, 96), (72, 120), (128, 80))
    return [
        (transform.resize(image, shape, anti_aliasing=True) * 255).astype(np.uint8)
        for image, shape in zip(images, shapes, strict=True)
    ]
