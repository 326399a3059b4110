"""Draw images: from text, from a source image, and in the middle of a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import torch
from torch import Tensor

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.decoding import TextResult, decode_text, per_sample
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prefix import Looks
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings, Step, StepCallback, draw
from model_adapters.cheers.sampling import Decoding, FinishReason
from model_adapters.cheers.session import Session, encode_images, open_session

__all__ = [
    "ImageResult",
    "ImageSettings",
    "InterleavedResult",
    "edit_image",
    "generate_image",
    "generate_interleaved",
    "image_noise",
]


class ImageResult(msgspec.Struct, frozen=True, kw_only=True):
    """One image."""

    image: Tensor
    """Pixels (3, S, S), float32 on the CPU, clamped to [0, 1]."""
    latents: Tensor
    """The final latent (C, h, w), float32 on the CPU."""
    heat_maps: Tensor | None
    """The gate's map of every step (steps, h, w), float32 on the CPU, where asked for."""
    text: TextResult | None
    """The text that the model wrote behind the image, where asked for."""


class InterleavedResult(msgspec.Struct, frozen=True, kw_only=True):
    """Text and images in the order the model made them."""

    ids: list[int]
    """Generated ids; an image stands between `<im_start>` and `<im_end>`."""
    images: list[ImageResult]
    """The images, in order."""
    finish_reason: FinishReason
    """Why it ended; "image" where the model wanted one more image than allowed."""


def image_noise(config: CheersConfig, seed: int) -> Tensor:
    """Initial noise (C, h, w) of one image, float32: a function of the seed alone."""
    side = config.latent_grid
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(config.latent_channels, side, side, generator=generator)


def generate_image(
    model: CheersModel,
    prompts: Sequence[Prompt],
    noise: Sequence[Tensor],
    settings: ImageSettings | Sequence[ImageSettings],
    *,
    text: Decoding | None = None,
    callback: StepCallback | None = None,
) -> list[ImageResult]:
    """Draw one image per prompt.

    Args:
        model: the model.
        prompts: one per sample, each ending in `<im_start>`; any lengths.
        noise: initial noise of each sample (C, h, w); see `image_noise`.
        settings: settings for all, or one per sample; samples of equal settings and size are
            drawn together, the others one group after another.
        text: decode the text behind the image with these settings; None stops at the image.
        callback: called after each evaluation of a group.

    Raises:
        ContextLengthError: a prompt and its image do not fit the context.
    """
    starts = [item.float() for item in noise]
    return _in_groups(model, prompts, starts, settings, text=text, callback=callback)


def edit_image(
    model: CheersModel,
    prompts: Sequence[Prompt],
    noise: Sequence[Tensor],
    settings: ImageSettings | Sequence[ImageSettings],
    *,
    sources: Sequence[Tensor] | None = None,
    text: Decoding | None = None,
    callback: StepCallback | None = None,
) -> list[ImageResult]:
    """Edit one image per prompt.

    The source stands in the prompt, and the path starts at `settings.edit_start` between noise
    and the source's latent.

    Args:
        model: the model.
        prompts: one per sample, each with its source image, ending in `<im_start>`.
        noise: initial noise of each sample (C, h, w).
        settings: settings for all, or one per sample.
        sources: the image (3, S, S) each path starts from; by default the prompt's last one.
        text: as in `generate_image`.
        callback: as in `generate_image`.

    Raises:
        ContextLengthError: a prompt and its image do not fit the context.
        ValueError: a prompt has no image to edit.
    """
    chosen = sources if sources is not None else [_source(prompt) for prompt in prompts]
    return _in_groups(model, prompts, noise, settings, text=text, callback=callback, sources=chosen)


@torch.no_grad()
def generate_interleaved(
    model: CheersModel,
    prompts: Sequence[Prompt],
    noise: Callable[[int, int], Tensor],
    settings: ImageSettings,
    decoding: Decoding | Sequence[Decoding],
    *,
    generators: Sequence[torch.Generator | None] | None = None,
    max_images: int = 1,
    callback: StepCallback | None = None,
) -> list[InterleavedResult]:
    """Let the model write, and draw an image wherever it emits `<im_start>` itself.

    Args:
        model: the model.
        prompts: one per sample.
        noise: initial noise (C, h, w) of sample i's k-th image, `noise(i, k)`.
        settings: how to draw.
        decoding: settings for all, or one per sample; the budget is of text ids in all.
        generators: one per sample that samples with a temperature.
        max_images: images per sample; the next `<im_start>` ends it.
        callback: called after each evaluation; samples are drawn one after another.
    """
    items = per_sample(decoding, len(prompts))
    sources = list(generators) if generators is not None else [None] * len(prompts)
    session = open_session(model, prompts, guided=settings.guided, ablations=settings.ablations)
    parked: dict[int, Session] = {}
    texts = decode_text(session, items, sources, parked=parked)
    return [
        _continue(
            text,
            parked.get(index),
            partial(noise, index),
            settings,
            items[index],
            generator=sources[index],
            max_images=max_images,
            callback=callback,
        )
        for index, text in enumerate(texts)
    ]


def _continue(
    text: TextResult,
    session: Session | None,
    noise: Callable[[int], Tensor],
    settings: ImageSettings,
    decoding: Decoding,
    *,
    generator: torch.Generator | None,
    max_images: int,
    callback: StepCallback | None,
) -> InterleavedResult:
    """Go on behind the first text of one sample: an image, a text, and so forth."""
    ids, images = list(text.ids), list[ImageResult]()
    while session is not None and len(images) < max_images:
        images += _draw_group(session, noise(len(images))[None], settings, callback=callback)
        ids.append(session.model.config.special_token_ids.im_end)
        budget = decoding.max_new_tokens - (len(ids) - len(images))
        if budget < 1:
            return InterleavedResult(ids=ids, images=images, finish_reason="length")
        parked: dict[int, Session] = {}
        rest = msgspec.structs.replace(  # an image began, so the least number was reached
            decoding, max_new_tokens=budget, min_new_tokens=0
        )
        (text,) = decode_text(session, [rest], [generator], parked=parked)
        ids += text.ids
        session = parked.get(0)
    return InterleavedResult(ids=ids, images=images, finish_reason=text.finish_reason)


@torch.no_grad()
def _in_groups(
    model: CheersModel,
    prompts: Sequence[Prompt],
    starts: Sequence[Tensor],
    settings: ImageSettings | Sequence[ImageSettings],
    *,
    text: Decoding | None,
    callback: StepCallback | None,
    sources: Sequence[Tensor] | None = None,
) -> list[ImageResult]:
    """Draw samples of equal settings and size together, from their sources where they have any."""
    items = _settings_list(settings, len(prompts))
    origins = list(sources) if sources is not None else [None] * len(prompts)
    groups: dict[tuple[ImageSettings, torch.Size], list[int]] = defaultdict(list)
    for index, (item, start, _) in enumerate(zip(items, starts, origins, strict=True)):
        groups[item, start.shape].append(index)
    results: dict[int, ImageResult] = {}
    for (item, _), members in groups.items():
        mine = [prompts[index] for index in members]
        latents = torch.stack([starts[index] for index in members])
        room = latents[0, 0].numel() // 4 + 1  # the image's tokens, and `<im_end>`
        looks = Looks()
        session = open_session(
            model, mine, guided=item.guided, ablations=item.ablations, room=room, looks=looks
        )
        if sources is not None:
            clean = encode_images(model, [sources[index] for index in members], looks)
            latents = _edit_starts(clean, latents, item.edit_start)
        drawn = _draw_group(
            session,
            latents,
            item,
            text=text,
            callback=callback,
            editing=sources is not None,
            last=text is None,
        )
        results.update(zip(members, drawn, strict=True))
    return [results[index] for index in range(len(prompts))]


def _draw_group(
    session: Session,
    latents: Tensor,
    settings: ImageSettings,
    *,
    text: Decoding | None = None,
    callback: StepCallback | None = None,
    editing: bool = False,
    last: bool = False,
) -> list[ImageResult]:
    """Draw a session's images, decode them, and the text behind them.

    Args:
        session: Ends where an image begins.
        latents: Where to start (N, C, h, w).
        settings: How to draw.
        text: Settings of the text behind the image, or None for none.
        callback: Called after each evaluation.
        editing: Whether the path starts at a source image.
        last: Whether the session is used no more.
    """
    maps: list[Tensor] = []

    def watch(step: Step) -> None:
        if settings.heat_maps:
            maps.append(step.gate.float().cpu())
        if callback is not None:
            callback(step)

    final = draw(session, latents, settings.times(editing=editing), settings, watch, last=last)
    images = session.model.model.vae_model.decode(final).float().clamp(0.0, 1.0).cpu()
    stacked = torch.stack(maps, dim=1) if maps else [None] * len(images)
    texts: Sequence[TextResult | None] = [None] * len(images)
    if text is not None:
        alone = session.without_twins()
        texts = decode_text(alone, [text] * alone.samples, [None] * alone.samples)
    return [
        ImageResult(image=image, latents=latent, heat_maps=heat, text=behind)
        for image, latent, heat, behind in zip(
            images, final.float().cpu(), stacked, texts, strict=True
        )
    ]


def _edit_starts(clean: Tensor, noise: Tensor, start: float) -> Tensor:
    """Where the paths of edits begin, between noise and sources (N, C, h, w)."""
    return start * clean + (1 - start) * noise.to(clean.device, clean.dtype)


def _source(prompt: Prompt) -> Tensor:
    if not prompt.pixels:
        raise ValueError("a prompt to edit has no image; put the source image into the prompt")
    return prompt.pixels[-1]


def _settings_list(
    settings: ImageSettings | Sequence[ImageSettings], count: int
) -> list[ImageSettings]:
    items = [settings] * count if isinstance(settings, ImageSettings) else list(settings)
    if len(items) != count:
        raise ValueError(f"{len(items)} settings came for {count} prompts")
    return items
