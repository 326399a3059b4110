"""The losses of a batch of rows, with everything that never changes taken from caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model_adapters.cheers.model import CheersModel, Seen
from model_adapters.cheers.sequence import IGNORE
from recipes.nano.rows import RowBatch

__all__ = ["Group", "Losses", "forward_losses"]


class Group(NamedTuple):
    """Rows that run through the backbone together, and their images in order of appearance."""

    rows: RowBatch
    """The rows."""
    seen: Tensor
    """Decoded pixels of the images to understand, dummies among them (M, 3, S, S)."""
    seen_index: Tensor
    """Which of `seen` each understood image of the rows is (K,): rows may share one."""
    latents: Tensor | None = None
    """Clean latents x1 of the images to generate (N, C, h, w)."""
    noise: Tensor | None = None
    """Noise x0 (N, C, h, w)."""
    t: Tensor | None = None
    """Times (N,) in [0, 1)."""


class Losses(NamedTuple):
    """What a batch is trained on."""

    text: Tensor
    """Cross-entropy averaged over labelled tokens."""
    image: Tensor
    """Mean squared error of the velocity; 0 without images to generate."""


def forward_losses(model: CheersModel, groups: Sequence[Group]) -> Losses:
    """Losses of several groups: text averaged over all labelled tokens, velocity over images.

    The noisy latents pass the frozen decoder projector without gradients.
    """
    pixels = [pixels for group in groups for pixels in _pixels(model, group)]
    seen = model.see_pixels(torch.cat(pixels))
    sizes = [len(part) for part in pixels]
    parts = [Seen(*pair) for pair in zip(*(torch.split(x, sizes) for x in seen), strict=True)]
    text_logits, text_targets, images = [], [], []
    for group in groups:
        count = 1 if group.latents is None else 2
        own, parts = parts[:count], parts[count:]
        hidden = _backbone(model, group, own)
        labelled = group.rows.targets != IGNORE
        text_logits.append(hidden[labelled])
        text_targets.append(group.rows.targets[labelled])
        if group.latents is not None:
            images.append(_image_loss(model, group, hidden, own[1].patches))
    logits = model.lm_head(torch.cat(text_logits)).float()
    text = F.cross_entropy(logits, torch.cat(text_targets))
    image = torch.cat(images).mean() if images else text.new_zeros(())
    return Losses(text, image)


def _pixels(model: CheersModel, group: Group) -> list[Tensor]:
    """What the tower looks at: cached pixels, then the decoded noisy latents."""
    if group.latents is None:
        return [group.seen]
    assert group.noise is not None and group.t is not None  # noqa: PT018, S101
    t = group.t.view(-1, 1, 1, 1)
    noisy = t * group.latents + (1 - t) * group.noise
    with torch.no_grad():
        decoded = model.model.vae_decoder_projector(noisy)
    return [group.seen, decoded.to(group.seen.dtype)]


def _backbone(model: CheersModel, group: Group, own: Sequence[Seen]) -> Tensor:
    """Hidden states (B, L, width)."""
    rows, core = group.rows, model.model
    embeds = core.language_model.embed_tokens(rows.ids)
    understood = rows.visual & ~rows.generated
    tokens = own[0].tokens[group.seen_index].flatten(0, 1).to(embeds.dtype)
    embeds = embeds.masked_scatter(understood[..., None].expand_as(embeds), tokens)
    if len(own) > 1:
        generated = rows.generated[..., None].expand_as(embeds)
        embeds = embeds.masked_scatter(generated, own[1].tokens.to(embeds.dtype))
    hidden: Tensor = core.language_model(embeds, rows.allowed, rows.positions)
    return hidden


def _image_loss(model: CheersModel, group: Group, hidden: Tensor, patches: Tensor) -> Tensor:
    """Squared error of each image's velocity (N,)."""
    assert group.latents is not None and group.noise is not None  # noqa: PT018, S101
    assert group.t is not None  # noqa: S101
    at_images = hidden[group.rows.generated].view(len(group.t), -1, hidden.shape[-1])
    velocity = model.velocity(at_images, patches, group.t).velocity.float()
    return (velocity - (group.latents - group.noise)).square().mean((1, 2, 3))
