"""Vision-language models of a few thousand random weights, in checkpoint folders as the hub's.

`save_tiny_vlm(folder, "qwen2_vl")` writes config.json, model.safetensors, a byte-level tokenizer, a
chat template and the family's own processor, all without a network. Then
`--model hf-vlm:FOLDER` drives it like a real one:

    folder = save_tiny_vlm(tmp_path / "vlm", "qwen2_vl")
    adapter = build_model(model_ref(f"hf-vlm:{folder}", {"device": "cpu"}))

The weights are a function of the family and the seed. They are large enough that answers differ
between prompts and between pictures; they know nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

__all__ = ["FAMILIES", "save_tiny_vlm"]

BOS, EOS, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CONTEXT = 1024
"""Tokens that fit into each model's context."""


class Parts(NamedTuple):
    """What a checkpoint is made of."""

    model: Any
    processor: Any


def save_tiny_vlm(folder: Path, family: str = "qwen2_vl", seed: int = 0) -> Path:
    """Write a tiny random checkpoint.

    Args:
        folder: Where to write; made if missing.
        family: One of `FAMILIES`.
        seed: Seed of the weights.

    Returns:
        The folder.
    """
    parts = FAMILIES[family]()
    enliven(parts.model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    parts.model.generation_config = transformers.GenerationConfig(
        eos_token_id=parts.processor.tokenizer.eos_token_id,
        # What checkpoints of the hub bring along, and what a harness must not take over unasked.
        do_sample=True,
        temperature=0.01,
        top_k=1,
        repetition_penalty=1.05,
    )
    parts.model.save_pretrained(folder)
    parts.processor.save_pretrained(folder)
    return folder


@torch.no_grad()
def enliven(model: torch.nn.Module, seed: int) -> None:
    """Draw weights so large that logits depend on every token and every picture."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if parameter.ndim >= 2:
            fan_in = parameter[0].numel()
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * (1.0 if "embed" in name else 1.5 / fan_in**0.5))


# --- tokenizers ----------------------------------------------------------------------------------


def tokenizer(named: dict[str, str], others: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """Every byte is a token; then the special tokens.

    Args:
        named: Special tokens that the family's processor asks its tokenizer for, by attribute.
        others: Further special tokens.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([PAD, BOS, EOS, *named.values(), *others])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=EOS,
        extra_special_tokens=named,
        model_max_length=CONTEXT,
    )


def template(image: str) -> str:
    """A chat template in which `image` stands for a picture."""
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + image + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


# --- families ------------------------------------------------------------------------------------

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
}


def special_ids(words: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": len(words),
        "pad_token_id": words.pad_token_id,
        "eos_token_id": words.eos_token_id,
        "bos_token_id": None,
    }


def qwen(family: str, vision: dict[str, Any], rope: dict[str, Any], side: int) -> Parts:
    words = tokenizer(
        {
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_start_token": "<|vision_start|>",
            "vision_end_token": "<|vision_end|>",
        }
    )
    ids = {
        "image_token_id": words.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": words.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": words.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": words.convert_tokens_to_ids("<|vision_end|>"),
    }
    text = TEXT | special_ids(words) | {"rope_parameters": {"rope_theta": 10000.0, **rope}}
    if family == "Qwen3VL":
        text["head_dim"] = 8
    config = getattr(transformers, f"{family}Config")(
        text_config=text, vision_config=vision, tie_word_embeddings=False, **ids
    )
    model = getattr(transformers, f"{family}ForConditionalGeneration")(config)
    size = {"shortest_edge": side**2, "longest_edge": 12 * side**2}
    shapes = {"patch_size": vision["patch_size"], "merge_size": 2, "temporal_patch_size": 2}
    processor = getattr(transformers, f"{family}Processor")(
        image_processor=transformers.Qwen2VLImageProcessor(size=size, **shapes),
        tokenizer=words,
        video_processor=(
            transformers.Qwen3VLVideoProcessor
            if family == "Qwen3VL"
            else transformers.Qwen2VLVideoProcessor
        )(size=size, **shapes),
        chat_template=template("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return Parts(model, processor)


def qwen2_vl() -> Parts:
    vision = {"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "patch_size": 4}
    return qwen("Qwen2VL", vision, {"rope_type": "default", "mrope_section": [1, 1, 2]}, 8)


def qwen2_5_vl() -> Parts:
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_heads": 2,
        "patch_size": 4,
        "out_hidden_size": 32,
        "window_size": 16,
        "fullatt_block_indexes": [1],
    }
    return qwen("Qwen2_5_VL", vision, {"rope_type": "default", "mrope_section": [1, 1, 2]}, 8)


def qwen3_vl() -> Parts:
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_heads": 2,
        "patch_size": 4,
        "out_hidden_size": 32,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    return qwen("Qwen3VL", vision, rope, 8)


def llava_onevision() -> Parts:
    words = tokenizer({"image_token": "<image>", "video_token": "<video>"})
    pinpoints = [[16, 16], [16, 32], [32, 16], [32, 32]]
    config = transformers.LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **TEXT, **special_ids(words)},
        vision_config={
            "model_type": "siglip_vision_model",
            **VISION,
            "vision_use_head": False,
        },
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_4",
    )
    size = {"height": 16, "width": 16}
    processor = transformers.LlavaOnevisionProcessor(
        image_processor=transformers.LlavaOnevisionImageProcessor(
            size=size, image_grid_pinpoints=pinpoints
        ),
        tokenizer=words,
        video_processor=transformers.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_4",
        chat_template=template("<image>"),
    )
    return Parts(transformers.LlavaOnevisionForConditionalGeneration(config), processor)


def internvl() -> Parts:
    words = tokenizer(
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        }
    )
    config = transformers.InternVLConfig(
        text_config={"model_type": "qwen2", **TEXT, **special_ids(words)},
        vision_config=VISION | {"image_size": [16, 16], "patch_size": [4, 4]},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    size = {"height": 16, "width": 16}
    processor = transformers.InternVLProcessor(
        image_processor=transformers.GotOcr2ImageProcessor(size=size, max_patches=3),
        tokenizer=words,
        video_processor=transformers.InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=template("<IMG_CONTEXT>\n"),
    )
    return Parts(transformers.InternVLForConditionalGeneration(config), processor)


def idefics3() -> Parts:
    places = tuple(f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7))
    words = tokenizer(
        {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>"},
        ("<end_of_utterance>", "<global-img>", *places),
    )
    config = transformers.Idefics3Config(
        text_config={"model_type": "llama", **TEXT, **special_ids(words)},
        vision_config=VISION,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    processor = transformers.Idefics3Processor(
        image_processor=transformers.Idefics3ImageProcessor(
            size={"longest_edge": 32}, max_image_size={"longest_edge": 16}
        ),
        tokenizer=words,
        image_seq_len=4,
        chat_template=template("<image>"),
    )
    return Parts(transformers.Idefics3ForConditionalGeneration(config), processor)


def janus() -> Parts:
    words = tokenizer(
        {
            "image_token": "<image_placeholder>",
            "boi_token": "<begin_of_image>",
            "eoi_token": "<end_of_image>",
        }
    )
    config = transformers.JanusConfig(
        text_config={"model_type": "llama", **TEXT, **special_ids(words)},
        vision_config={
            **{k: v for k, v in VISION.items() if k != "intermediate_size"},
            "mlp_ratio": 2.0,
            "projection_dim": 32,
            "num_image_tokens": 16,
        },
        vq_config={
            "embed_dim": 4,
            "num_embeddings": 16,
            "latent_channels": 8,
            "base_channels": 32,
            "channel_multiplier": [1],
            "num_res_blocks": 1,
            "num_patches": 4,
            "projection_dim": 32,
            "image_token_embed_dim": 32,
        },
        image_token_id=words.convert_tokens_to_ids("<image_placeholder>"),
    )
    processor = transformers.JanusProcessor(
        image_processor=transformers.JanusImageProcessor(size={"height": 16, "width": 16}),
        tokenizer=words,
        num_image_tokens=16,
        chat_template=template("<image_placeholder>\n"),
    )
    return Parts(transformers.JanusForConditionalGeneration(config), processor)


FAMILIES: dict[str, Callable[[], Parts]] = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "llava_onevision": llava_onevision,
    "internvl": internvl,
    "idefics3": idefics3,
    "janus": janus,
}
"""Builders by name."""
