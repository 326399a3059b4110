"""Weights of mmdet's Mask2Former under transformers' names: every tensor once, none made up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from harness.errors import CheckpointError
from tasks.judges.strict import misfits

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert_state_dict", "pad_target"]

_SWIN = "model.pixel_level_module.encoder.swin."
_STAGES = "model.pixel_level_module.encoder.hidden_states_norms."
_PIXEL = "model.pixel_level_module.decoder."
_DECODER = "model.transformer_module.decoder."
_BLOCK = rf"{_SWIN}encoder.layers.\1.blocks.\2."
_OF_BLOCK = r"backbone\.stages\.(\d+)\.blocks\.(\d+)\."
_OF_PIXEL = r"panoptic_head\.pixel_decoder\."
_OF_ENCODER = _OF_PIXEL + r"encoder\.layers\.(\d+)\."
_OF_LAYER = r"panoptic_head\.transformer_decoder\.layers\.(\d+)\."

_RENAMED = (
    (r"backbone\.patch_embed\.projection\.", f"{_SWIN}embeddings.patch_embeddings.projection."),
    (r"backbone\.patch_embed\.norm\.", f"{_SWIN}embeddings.norm."),
    (_OF_BLOCK + r"norm1\.", _BLOCK + "layernorm_before."),
    (_OF_BLOCK + r"norm2\.", _BLOCK + "layernorm_after."),
    (_OF_BLOCK + r"attn\.w_msa\.proj\.", _BLOCK + "attention.o_proj."),
    (_OF_BLOCK + r"ffn\.layers\.0\.0\.", _BLOCK + "mlp.fc1."),
    (_OF_BLOCK + r"ffn\.layers\.1\.", _BLOCK + "mlp.fc2."),
    (_OF_PIXEL + r"input_convs\.(\d+)\.conv\.", rf"{_PIXEL}input_projections.\1.0."),
    (_OF_PIXEL + r"input_convs\.(\d+)\.gn\.", rf"{_PIXEL}input_projections.\1.1."),
    (_OF_PIXEL + r"level_encoding\.weight", f"{_PIXEL}level_embed"),
    (_OF_PIXEL + r"lateral_convs\.0\.conv\.", f"{_PIXEL}adapter_1.0."),
    (_OF_PIXEL + r"lateral_convs\.0\.gn\.", f"{_PIXEL}adapter_1.1."),
    (_OF_PIXEL + r"output_convs\.0\.conv\.", f"{_PIXEL}layer_1.0."),
    (_OF_PIXEL + r"output_convs\.0\.gn\.", f"{_PIXEL}layer_1.1."),
    (_OF_PIXEL + r"mask_feature\.", f"{_PIXEL}mask_projection."),
    (_OF_ENCODER + r"self_attn\.", rf"{_PIXEL}encoder.layers.\1.self_attn."),
    (_OF_ENCODER + r"ffn\.layers\.0\.0\.", rf"{_PIXEL}encoder.layers.\1.fc1."),
    (_OF_ENCODER + r"ffn\.layers\.1\.", rf"{_PIXEL}encoder.layers.\1.fc2."),
    (_OF_ENCODER + r"norms\.0\.", rf"{_PIXEL}encoder.layers.\1.self_attn_layer_norm."),
    (_OF_ENCODER + r"norms\.1\.", rf"{_PIXEL}encoder.layers.\1.final_layer_norm."),
    (_OF_LAYER + r"cross_attn\.attn\.", rf"{_DECODER}layers.\1.cross_attn."),
    (_OF_LAYER + r"self_attn\.attn\.out_proj\.", rf"{_DECODER}layers.\1.self_attn.out_proj."),
    (_OF_LAYER + r"ffn\.layers\.0\.0\.", rf"{_DECODER}layers.\1.fc1."),
    (_OF_LAYER + r"ffn\.layers\.1\.", rf"{_DECODER}layers.\1.fc2."),
    (_OF_LAYER + r"norms\.0\.", rf"{_DECODER}layers.\1.cross_attn_layer_norm."),
    (_OF_LAYER + r"norms\.1\.", rf"{_DECODER}layers.\1.self_attn_layer_norm."),
    (_OF_LAYER + r"norms\.2\.", rf"{_DECODER}layers.\1.final_layer_norm."),
    (r"panoptic_head\.transformer_decoder\.post_norm\.", f"{_DECODER}layernorm."),
    (r"panoptic_head\.query_embed\.", "model.transformer_module.queries_embedder."),
    (r"panoptic_head\.query_feat\.", "model.transformer_module.queries_features."),
    (r"panoptic_head\.level_embed\.", "model.transformer_module.level_embed."),
    (r"panoptic_head\.cls_embed\.", "class_predictor."),
)
_OLD = (
    (re.compile(r"(pixel_decoder\.encoder\.layers\.\d+\.)attentions\.0\."), r"\1self_attn."),
    (re.compile(r"(transformer_decoder\.layers\.\d+\.)attentions\.0\."), r"\1cross_attn."),
    (re.compile(r"(transformer_decoder\.layers\.\d+\.)attentions\.1\."), r"\1self_attn."),
    (re.compile(r"(layers\.\d+\.)ffns\.0\."), r"\1ffn."),
)
_MERGED = (0, 2, 1, 3)


def convert_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename, split and reorder a state dict of mmdet 3.x or 2.x.

    Three things differ besides names: transformers keeps queries, keys and values apart; its patch
    merging orders the four neighbours of a channel block by block where mmdet's unfold interleaves
    them; and its table of relative positions is in the usual order, mmdet's in the order of an
    index that is stored with the weights.

    Args:
        state: Tensors by mmdet's names.

    Returns:
        Tensors by transformers' names; what only transformers has isn't among them, see
        `pad_target`.

    Raises:
        CheckpointError: A name isn't Mask2Former's with a Swin backbone.
    """
    state = {_modern(name): tensor for name, tensor in state.items()}
    converted: dict[str, Tensor] = {}
    strange = []
    for name, tensor in state.items():
        parts = _convert(name, tensor, state)
        if parts is None:
            strange.append(name)
        else:
            converted.update(parts)
    if strange:
        raise CheckpointError(
            f"{len(strange)} tensors aren't those of mmdet's Mask2Former with a Swin backbone, "
            f"such as {', '.join(strange[:3])}",
            "give the checkpoint of mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco",
        )
    return converted


def pad_target(converted: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add what only transformers has, none of which the outputs depend on.

    These are the backbone's last norm, whose output nothing reads, and the class weights of the
    training loss.

    Args:
        converted: Tensors by transformers' names.
        target: State dict of a fresh transformers model of the same configuration.

    Raises:
        CheckpointError: Names or shapes don't match otherwise.
    """
    own = {f"{_SWIN}layernorm.weight", f"{_SWIN}layernorm.bias", "criterion.empty_weight"}
    filled = {**{n: t for n, t in target.items() if n in own and n not in converted}, **converted}
    faults = misfits(filled, target)
    if faults:
        raise CheckpointError(
            f"weights and configuration don't fit: {'; '.join(faults[:4])} ({len(faults)} in all)",
            "give the configuration that the weights were trained with",
        )
    return filled


def _modern(name: str) -> str:
    """A name of mmdet 2.x as 3.x has it."""
    for pattern, replacement in _OLD:
        name = pattern.sub(replacement, name)
    return name


def _convert(name: str, tensor: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """What becomes of one tensor; None if its name is strange."""
    for pattern, handle in _HANDLERS:
        if match := pattern.fullmatch(name):
            return handle(match, tensor, state)
    for prefix, replacement in _RENAMED:
        renamed, count = re.subn("^" + prefix, replacement, name)
        if count:
            return {renamed: tensor}
    return None


_Handler: TypeAlias = "Callable[[re.Match[str], Tensor, Mapping[str, Tensor]], dict[str, Tensor]]"


def _nothing(*_: object) -> dict[str, Tensor]:
    return {}  # the index of relative positions: it's a function of the window


def _qkv(match: re.Match[str], tensor: Tensor, _: object) -> dict[str, Tensor]:
    return _split(match.expand(_BLOCK) + "attention.{}_proj." + match[3], tensor)


def _in_proj(match: re.Match[str], tensor: Tensor, _: object) -> dict[str, Tensor]:
    return _split(f"{_DECODER}layers.{match[1]}.self_attn.{{}}_proj.{match[2]}", tensor)


def _table(match: re.Match[str], tensor: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    index = state[match[0].replace("_bias_table", "_index")]
    target = match.expand(_BLOCK) + "attention.relative_position_bias.relative_position_bias_table"
    return {target: _reordered(tensor, index)}


def _merge(match: re.Match[str], tensor: Tensor, _: object) -> dict[str, Tensor]:
    target = f"{_SWIN}encoder.layers.{match[1]}.downsample.{match[2]}.{match[3]}"
    return {target: _merged(tensor)}


def _stage_norm(match: re.Match[str], tensor: Tensor, _: object) -> dict[str, Tensor]:
    return {f"{_STAGES}stage{int(match[1]) + 1}.{match[2]}": tensor}


def _embedder(match: re.Match[str], tensor: Tensor, _: object) -> dict[str, Tensor]:
    layer = int(match[1]) // 2
    return {f"{_DECODER}mask_predictor.mask_embedder.{layer}.0.{match[2]}": tensor}


_HANDLERS: tuple[tuple[re.Pattern[str], _Handler], ...] = (
    (re.compile(_OF_BLOCK + r"attn\.w_msa\.relative_position_index"), _nothing),
    (re.compile(_OF_BLOCK + r"attn\.w_msa\.qkv\.(\w+)"), _qkv),
    (re.compile(_OF_LAYER + r"self_attn\.attn\.in_proj_(\w+)"), _in_proj),
    (re.compile(_OF_BLOCK + r"attn\.w_msa\.relative_position_bias_table"), _table),
    (re.compile(r"backbone\.stages\.(\d+)\.downsample\.(norm|reduction)\.(\w+)"), _merge),
    (re.compile(r"backbone\.norm(\d)\.(\w+)"), _stage_norm),
    (re.compile(r"panoptic_head\.mask_embed\.(\d)\.(\w+)"), _embedder),
)


def _split(target: str, tensor: Tensor) -> dict[str, Tensor]:
    """Queries, keys and values, stacked in that order along the first axis."""
    parts = zip("qkv", tensor.chunk(3), strict=True)
    return {target.format(letter): part.contiguous() for letter, part in parts}


def _merged(tensor: Tensor) -> Tensor:
    """The last axis from (channel, row, column) to (column, row, channel)."""
    blocks: Tensor = tensor.unflatten(-1, (-1, 4))[..., list(_MERGED)]  # type: ignore[no-untyped-call]
    return blocks.transpose(-1, -2).flatten(-2).contiguous()


def _reordered(table: Tensor, index: Tensor) -> Tensor:
    """A table (positions, heads) that the usual index reads as mmdet's index reads its own."""
    import torch

    side = round(index.shape[0] ** 0.5)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()])
    offsets = places[:, :, None] - places[:, None, :] + side - 1
    usual = offsets[0] * (2 * side - 1) + offsets[1]
    reordered = torch.empty_like(table)
    reordered[usual.flatten()] = table[index.flatten()]
    return reordered
