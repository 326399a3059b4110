"""What a training run is made of, in one place."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recipes.nano.optimiser import Rule

__all__ = [
    "Mix",
    "Settings",
    "StageSettings",
    "VAEPhase",
    "VAESettings",
    "smoke_settings",
    "with_steps",
]


class VAEPhase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the autoencoder's training; each begins with a fresh optimiser."""

    steps: int
    """Optimiser steps."""
    lr: float
    """Peak learning rate; warm-up, then cosine to zero over the phase."""
    kl_weight: float
    """Weight of the mean KL divergence of a latent element, beside L1 + MSE of a pixel."""
    readable_weight: float = 0.0
    """Weight of the readability of noisy latents; see `decoder_stage.readability`."""


class VAESettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stage 1: the autoencoder, trained alone and frozen ever after."""

    phases: tuple[VAEPhase, ...] = (
        VAEPhase(steps=1700, lr=3e-3, kl_weight=1e-3),
        VAEPhase(steps=400, lr=2e-3, kl_weight=1e-6, readable_weight=0.1),
    )
    """Encoder and decoder together: a smooth latent first, then one that tells more."""
    batch: int = 32
    """Images a step."""
    warmup: int = 50
    """Steps of linear warm-up of each phase."""
    decoder_steps: int = 600
    """Steps in which the decoder and the decoder projector are finished, each on its own."""
    decoder_lr: float = 2e-3
    """Peak learning rate of those steps."""


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of one batch. A row is a prompt or an image with several branches that share it."""

    generation: int = 12
    """Text-to-image rows."""
    editing: int = 2
    """Editing rows: a source image, an instruction, and the edited image."""
    questions: int = 12
    """Rows of an image of the world and multiple-choice or open questions."""
    words: int = 12
    """Rows of an image with a word; they share one question."""
    easy_vqa: int = 6
    """Rows of an easy-VQA training image and questions of it."""


ALIGN_MIX = Mix(generation=0, editing=0, questions=16, words=16, easy_vqa=8)
"""Images to language alone: what connects tower and backbone settles before generation."""

REFINE_MIX = Mix(generation=14, editing=2, questions=5, words=2, easy_vqa=2)
"""Reading and easy-VQA come early; what is left of the time goes to drawing."""


DRAW_MIX = Mix(generation=14, editing=2, questions=8, words=2, easy_vqa=3)
"""As in refinement, with more questions about the world."""

PLACE_MIX = Mix(generation=14, editing=2, questions=14, words=2, easy_vqa=3)
"""Still more questions: where things are comes last, in pictures and in answers."""


ASK_MIX = Mix(generation=10, editing=2, questions=10, words=2, easy_vqa=16)
"""Questions about real pictures once more, beside everything else."""


class StageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of the training of the whole model."""

    name: str
    """`align`, `joint`, `refine`, `settle`, `draw`, `steer`, `place`, `tune` or `ask`."""
    steps: int
    """Optimiser steps."""
    lr: float
    """Learning rate after the warm-up."""
    warmup: int = 0
    """Steps of linear warm-up."""
    decay: bool = False
    """Whether the rate falls linearly to zero over the stage; otherwise it stays."""
    early: float = 0.0
    """Share of times drawn near noise, where the prompt alone can tell what will be there."""
    early_logit: float = -1.7
    """Mean logit of those times; the others' is 0."""
    skills: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Factors on the weights of text-to-image prompts, by GenEval skill."""
    questions: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Factors on the weights of questions about the world, by kind."""
    mix: Mix = Mix()
    """What a batch is made of."""
    rule: Rule = "adamw"
    """How matrices are updated."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole run."""

    seed: int = 0
    """Seed of initial weights, data and noise."""
    scenes: int = 12000
    """Rendered text-to-image scenes; the other pools are sized after it."""
    vae: VAESettings = VAESettings()
    """Stage 1."""
    tower_steps: int = 1000
    """Steps in which the tower learns to see, alone."""
    tower_batch: int = 12
    """Images of each kind in such a step."""
    tower_lr: float = 1.5e-3
    """Peak learning rate of those steps."""
    stages: tuple[StageSettings, ...] = (
        StageSettings(name="align", steps=200, lr=1e-3, warmup=50, mix=ALIGN_MIX),
        StageSettings(name="joint", steps=600, lr=1e-3, warmup=50),
        StageSettings(name="refine", steps=1500, lr=1.2e-3, early=0.5, mix=REFINE_MIX),
        StageSettings(name="settle", steps=1000, lr=1.2e-3, early=0.5, decay=True, mix=REFINE_MIX),
        StageSettings(
            name="draw", steps=1700, lr=1.2e-3, warmup=100, early=0.5, mix=DRAW_MIX, rule="muon"
        ),
        StageSettings(
            name="steer",
            steps=2400,
            lr=1.2e-3,
            early=0.7,
            early_logit=-2.5,
            skills={"colors": 2.0, "color_attr": 2.0},
            mix=DRAW_MIX,
            rule="muon",
        ),
        StageSettings(
            name="place",
            steps=3000,
            lr=1.2e-3,
            early=0.7,
            early_logit=-2.3,
            skills={"color_attr": 1.5, "position": 2.0, "counting": 1.5},
            questions={"position": 4.0, "shape": 2.0, "color": 1.5},
            mix=PLACE_MIX,
            rule="muon",
        ),
        StageSettings(
            name="tune",
            steps=3000,
            lr=1.2e-3,
            decay=True,
            early=0.6,
            early_logit=-2.2,
            skills={"color_attr": 2.0, "position": 2.0, "counting": 1.5},
            questions={"position": 3.0, "shape": 2.0, "color": 1.5},
            mix=PLACE_MIX,
            rule="muon",
        ),
        StageSettings(
            name="ask",
            steps=500,
            lr=6e-4,
            warmup=20,
            decay=True,
            early=0.6,
            early_logit=-2.2,
            skills={"color_attr": 2.0, "position": 2.0, "counting": 1.5},
            questions={"position": 3.0, "color": 1.5},
            mix=ASK_MIX,
            rule="muon",
        ),
    )
    """Stages behind the VAE and the tower: alignment, joint pretraining, refinement until the rate
    is zero; then more drawing, and at its end tuning and asking, in which it falls again."""
    branches: int = 4
    """Noised images that share the prompt of a row."""
    questions_per_image: int = 2
    """Questions that share the image of a row."""
    drop_prompt: float = 0.1
    """Share of text-to-image and editing rows whose prompt becomes `<no_mean>`."""
    no_dummy: float = 0.25
    """Share of text-to-image rows without the random-noise dummy image in front."""
    weight_decay: float = 0.02
    """AdamW's weight decay, on matrices only."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.999
    """Decay of the averaged weights, the ones that are exported."""
    save_every: int = 200
    """Steps between checkpoints."""


def smoke_settings() -> Settings:
    """A run of seconds that goes through every stage; it learns nothing.

    Example:
        >>> smoke_settings().scenes
        24
    """
    mix = Mix(generation=2, editing=1, questions=1, words=1, easy_vqa=1)
    return Settings(
        scenes=24,
        vae=VAESettings(
            phases=(
                VAEPhase(steps=1, lr=1e-3, kl_weight=1e-3),
                VAEPhase(steps=1, lr=1e-3, kl_weight=1e-6, readable_weight=0.1),
            ),
            batch=4,
            decoder_steps=2,
        ),
        stages=tuple(
            msgspec.structs.replace(stage, steps=2, lr=1e-3, mix=mix) for stage in Settings().stages
        ),
        tower_steps=2,
        tower_batch=2,
        branches=2,
        save_every=1,
    )


def with_steps(settings: Settings, steps: Mapping[str, int]) -> Settings:
    """The settings with other numbers of steps for some stages, by name.

    Example:
        >>> with_steps(Settings(), {"joint": 7}).stages[1].steps
        7
    """
    stages = tuple(
        msgspec.structs.replace(stage, steps=steps.get(stage.name, stage.steps))
        for stage in settings.stages
    )
    return msgspec.structs.replace(settings, stages=stages)
