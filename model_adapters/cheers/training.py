"""The training forward: L_AR on text plus L_FM on latents (AI9Stars/Cheers at da1cb77)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model_adapters.cheers.config import SpecialTokenIds
from model_adapters.cheers.model import CheersModel, Seen
from model_adapters.cheers.sequence import IGNORE, LayoutError, count_images, lay_out, unpad


class TrainingImages(NamedTuple):
    """The N images of a batch, row by row in the order of their placeholders."""

    t: Tensor
    """Time of each image (N,): drawn in [0, 1) for one to generate, 1.0 for one to understand."""
    noise: Tensor | None = None
    """Noise x0 (N, C, h, w); rows with t = 1 are not read. May be None when every t is 1."""
    pixels: Tensor | None = None
    """Images (N, 3, S, S) in [0, 1], encoded here without gradients."""
    latents: Tensor | None = None
    """Clean latents x1 (N, C, h, w) instead of pixels, for a recipe that caches the VAE's work."""
    tower_pixels: Tensor | None = None
    """Decoded pixels (M, 3, S, S) of the M images with t = 1, in order. With a frozen decoder
    projector they never change, so a recipe may cache them; the projector is then not run for
    these images."""


class TrainingOutput(NamedTuple):
    """Losses of a batch, and what they were computed from."""

    loss: Tensor
    """text_loss + image_loss, a scalar."""
    text_loss: Tensor
    """Cross-entropy averaged over labelled tokens, a scalar; 0 where nothing is labelled."""
    image_loss: Tensor
    """Mean squared error of the velocity, a scalar; 0 where no image takes part."""
    velocity: Tensor
    """Predicted velocity (K, C, h, w) of the images that take part in the image loss."""
    target: Tensor
    """Their target x1 - x0 (K, C, h, w), zero where t = 1."""
    hidden: Tensor
    """The backbone's hidden states (B, L, width)."""
    targets: Tensor
    """The id that each position is trained to predict (B, L); `IGNORE` for none."""


def training_forward(
    model: CheersModel,
    input_ids: Tensor,
    labels: Tensor,
    attention_mask: Tensor | None,
    images: TrainingImages,
    *,
    dummies: Sequence[bool] | None = None,
    flow_on_understood: bool = True,
) -> TrainingOutput:
    """Compute the losses of one batch.

    Args:
        model: the model; gradients reach whatever has `requires_grad`.
        input_ids: ids (B, L), int64, with image placeholders.
        labels: labels (B, L), int64, aligned with the ids (not shifted); `IGNORE` for none.
        attention_mask: 1 where a token stands, 0 at padding (B, L); None for no padding.
        images: the batch's images.
        dummies: rows with a dummy image in front; by default those that place no image.
        flow_on_understood: whether understood images take part in the image loss with a target
            of zero, as in the official code. False saves the head's work on them.

    Raises:
        LayoutError: the number of images differs from what the rows place.
    """
    config = model.config
    images = _on_device(images, model.device)
    rows, row_labels = unpad(input_ids, attention_mask), unpad(labels, attention_mask)
    special = config.special_token_ids
    lead = dummies if dummies is not None else [not count_images(row, special) for row in rows]
    _check_count(rows, lead, special, images.t)
    layout = lay_out(rows, lead, special, config.tokens_per_image, row_labels).to(model.device)

    clean = _clean_latents(model, images)
    noisy, target = interpolate(clean, images)
    seen = _see(model, noisy, images)
    embeds = model.embed(layout, seen.tokens)
    hidden = model.model.language_model(embeds, layout.attention(), layout.positions)

    targets = text_targets(layout.labels, special)
    text_loss = _text_loss(model, hidden, targets)
    part = torch.ones_like(images.t, dtype=torch.bool) if flow_on_understood else images.t < 1
    at_images = hidden[layout.visual].view(len(images.t), config.tokens_per_image, -1)
    velocity, image_loss = _flow(model, at_images, seen, target, t=images.t, part=part)
    return TrainingOutput(
        loss=text_loss + image_loss,
        text_loss=text_loss,
        image_loss=image_loss,
        velocity=velocity,
        target=target[part],
        hidden=hidden,
        targets=targets,
    )


def _flow(
    model: CheersModel, hidden: Tensor, seen: Seen, target: Tensor, *, t: Tensor, part: Tensor
) -> tuple[Tensor, Tensor]:
    """Velocity and image loss of the images that take part, a mask (N,)."""
    if not bool(part.any()):
        return target[part], hidden.sum() * 0.0
    velocity = model.velocity(hidden[part], seen.patches[part], t[part]).velocity
    return velocity, F.mse_loss(velocity, target[part])


def interpolate(clean: Tensor, images: TrainingImages) -> tuple[Tensor, Tensor]:
    """The path x_t = t x1 + (1 - t) x0 and its velocity x1 - x0, which is zero where t = 1.

    Args:
        clean: clean latents x1 (N, C, h, w).
        images: times and noise.

    Returns:
        x_t and the target, each (N, C, h, w).
    """
    t = images.t.to(clean.dtype).view(-1, 1, 1, 1)
    if images.noise is None:
        if bool((images.t < 1).any()):
            raise LayoutError("images with t < 1 need noise; pass TrainingImages.noise")
        return clean, torch.zeros_like(clean)
    noise = images.noise.to(clean.dtype)
    return t * clean + (1 - t) * noise, torch.where(t < 1, clean - noise, 0.0)


def text_targets(labels: Tensor, special: SpecialTokenIds) -> Tensor:
    """What each position is trained to predict (B, L): the next label, but never `<im_end>`.

    The end of an image is not predicted but appended by the sampler, so the official code does
    not train on it.
    """
    following = F.pad(labels[:, 1:], (0, 1), value=IGNORE)
    return following.masked_fill(following == special.im_end, IGNORE)


def _text_loss(model: CheersModel, hidden: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over labelled positions; only they pass through the output embedding."""
    labelled = targets != IGNORE
    if not bool(labelled.any()):
        return hidden.sum() * 0.0
    return F.cross_entropy(model.lm_head(hidden[labelled]), targets[labelled])


def _clean_latents(model: CheersModel, images: TrainingImages) -> Tensor:
    """Clean latents, encoded without gradients where they are not given."""
    if images.latents is not None:
        return images.latents.to(model.dtype)
    if images.pixels is None:
        raise LayoutError("TrainingImages needs pixels or latents")
    with torch.no_grad():
        return model.model.vae_model.encode(images.pixels.to(model.dtype))


def _see(model: CheersModel, noisy: Tensor, images: TrainingImages) -> Seen:
    """What the tower sees: decoded latents, or the recipe's cached pixels where t = 1."""
    if images.tower_pixels is None:
        return model.see_latents(noisy)
    understood = images.t == 1
    side = images.tower_pixels.shape[-1]
    pixels = images.tower_pixels.new_empty(len(images.t), 3, side, side)
    pixels[understood] = images.tower_pixels
    if not bool(understood.all()):
        pixels[~understood] = model.model.vae_decoder_projector(noisy[~understood])
    return model.see_pixels(pixels)


def _on_device(images: TrainingImages, device: torch.device) -> TrainingImages:
    """The batch's images where the model lives."""
    fields = images._asdict().items()
    moved = {name: tensor.to(device) for name, tensor in fields if tensor is not None}
    return TrainingImages(**moved)


def _check_count(
    rows: Sequence[Sequence[int]], lead: Sequence[bool], special: SpecialTokenIds, t: Tensor
) -> None:
    """Refuse a batch whose images do not match its placeholders."""
    wanted = sum(count_images(row, special) for row in rows) + sum(lead)
    if wanted != len(t):
        raise LayoutError(
            f"the batch places {wanted} images ({sum(lead)} of them dummies) but {len(t)} came"
        )
