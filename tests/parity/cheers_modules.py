"""Modules alone: processor, VAE, tower, time, schedule, rotary positions, head, epsilons."""

from __future__ import annotations

import re

import torch
from PIL import Image

from model_adapters.cheers.images import for_generation, for_understanding
from model_adapters.cheers.rope import rotary
from model_adapters.cheers.schedule import schedule
from model_adapters.cheers.sequence import unconditional
from model_adapters.cheers.time_embedding import sinusoid
from tests.parity.cheers_golden import Golden
from tests.parity.cheers_rules import Expected, Rules
from tests.parity.golden_folder import DEVICE

rules = Rules()
CASES = ["dummy", "eps", "heads", "image", "rope", "schedule", "time", "uncond", "vae", "vision"]


@rules(r"(?P<image>.+)\.pixel_values")
def pixel_values(golden: Golden, match: re.Match[str]) -> Expected:
    source = Image.fromarray(golden[f"{match['image']}.source_u8"].numpy())
    prepare = for_generation if match["image"].startswith("image.gen") else for_understanding
    return Expected(prepare(source, golden.config.image_size)[None])


def vae_image(golden: Golden) -> torch.Tensor:
    return golden[golden.settings.get("vae", {}).get("image", "image.und.pixel_values")]


@rules(r"vae\.moments")
def vae_moments(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(golden.model.model.vae_model.encoder(vae_image(golden)))


@rules(r"vae\.latents")
def vae_latents(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(golden.model.model.vae_model.encode(vae_image(golden)))


@rules(r"vae\.decoded")
def vae_decoded(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(golden.model.model.vae_model.decode(golden["vae.latents"]))


@rules(r"vision\.projector_image")
def projector_image(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(golden.model.model.vae_decoder_projector(golden["vae.latents"]))


@rules(r"vision\.patch_embeddings")
def patch_embeddings(golden: Golden, match: re.Match[str]) -> Expected:
    tower = golden.model.model.vision_representation
    return Expected(tower.embeddings(golden["vision.projector_image"]))


@rules(r"vision\.hidden_after_layer0")
def tower_layer(golden: Golden, match: re.Match[str]) -> Expected:
    tower = golden.model.model.vision_representation
    return Expected(tower.encoder.layers[0](golden["vision.patch_embeddings"], None))


@rules(r"vision\.last_hidden_state")
def tower_hidden(golden: Golden, match: re.Match[str]) -> Expected:
    tower = golden.model.model.vision_representation
    return Expected(tower(golden["vision.projector_image"]).hidden)


@rules(r"vision\.pooler_output")
def tower_pooled(golden: Golden, match: re.Match[str]) -> Expected:
    tower = golden.model.model.vision_representation
    return Expected(tower.pool(golden["vision.last_hidden_state"]))


@rules(r"vision\.und_tokens")
def und_tokens(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(golden.model.model.und_projector(golden["vision.last_hidden_state"]))


@rules(r"time\.sinusoid")
def time_sinusoid(golden: Golden, match: re.Match[str]) -> Expected:
    frequencies = golden.config.head_config.time_frequencies
    return Expected(sinusoid(golden["time.t"], frequencies))


@rules(r"time\.(?P<stage>text|vision)")
def time_embedding(golden: Golden, match: re.Match[str]) -> Expected:
    text, vision = golden.model.model.time_embed(golden["time.t"])
    return Expected(text if match["stage"] == "text" else vision)


@rules(r"schedule\.steps(?P<steps>\d+)_alpha(?P<alpha>[\d.]+?)(?:_start(?P<start>[\d.]+))?")
def times(golden: Golden, match: re.Match[str]) -> Expected:
    start = float(match["start"] or 0.0)
    return Expected(schedule(int(match["steps"]), float(match["alpha"]), start))


@rules(r"rope\.(?P<part>llm|gen_projector|hi_projector)\.(?P<wave>cos|sin)")
def rotary_positions(golden: Golden, match: re.Match[str]) -> Expected:
    text, vision = golden.config.text_config, golden.config.vision_representation_config
    head_base = golden.config.head_config.rope_base
    dim, base = {
        "llm": (text.hidden_size // text.num_attention_heads, text.rope_theta),
        "gen_projector": (text.hidden_size // golden.config.gen_heads[0], head_base),
        "hi_projector": (vision.hidden_size // golden.config.hi_heads[0], head_base),
    }[match["part"]]
    positions = torch.arange(golden[match.string].shape[1])[None]
    cos, sin = rotary(positions, dim, base, torch.float32)
    return Expected(cos if match["wave"] == "cos" else sin)


@rules(r"(?P<case>heads|eps)\.(?P<stage>gen_projector|hi_projector)\.output")
def head_stage(golden: Golden, match: re.Match[str]) -> Expected:
    x = golden[f"{match['case']}.{match['stage']}.input"]
    own = golden.settings.get(match["case"], {})
    t = torch.full((len(x),), own.get("t", golden.setting("heads")["t"]), device=x.device)
    text, vision = golden.model.model.time_embed(t)
    stage = golden.model.model.get_submodule(match["stage"])
    return Expected(stage(x, text if match["stage"] == "gen_projector" else vision))


@rules(r"(?P<case>heads|eps)\.hi_gate\.output")
def head_gate(golden: Golden, match: re.Match[str]) -> Expected:
    low, high = (golden[f"{match['case']}.hi_gate.{side}"] for side in ("low", "high"))
    return Expected(golden.model.model.hi_gate(low, high)[0])


@rules(r"eps\.llm_causal\.output")
def eps_backbone(golden: Golden, match: re.Match[str]) -> Expected:
    x = golden["eps.llm_causal.input"]
    length = x.shape[1]
    allowed = torch.ones(1, length, length, dtype=torch.bool, device=DEVICE).tril()
    return Expected(
        golden.model.model.language_model(x, allowed, torch.arange(length, device=DEVICE)[None])
    )


@rules(r"eps\.siglip_encoder\.output")
def eps_tower(golden: Golden, match: re.Match[str]) -> Expected:
    tower = golden.model.model.vision_representation
    return Expected(tower.post_layernorm(tower.encoder(golden["eps.siglip_encoder.input"])))


@rules(r"eps\.und_projector\.output")
def eps_projector(golden: Golden, match: re.Match[str]) -> Expected:
    return Expected(golden.model.model.und_projector(golden["eps.und_projector.input"]))


@rules(r"eps\.vae_(?P<side>encoder_moments|decoder)\.output")
def eps_vae(golden: Golden, match: re.Match[str]) -> Expected:
    vae = golden.model.model.vae_model
    side = vae.encoder if match["side"] == "encoder_moments" else vae.decoder
    return Expected(side(golden[f"eps.vae_{match['side']}.input"]))


@rules(r"uncond\.output_ids")
def unconditional_ids(golden: Golden, match: re.Match[str]) -> Expected:
    special = golden.config.special_token_ids
    rows = golden["uncond.input_ids"].tolist()
    return Expected(torch.tensor([unconditional(row, special) for row in rows]))
