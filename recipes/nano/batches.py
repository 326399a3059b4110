"""Draw the batch of one step: a pure function of the pools and a generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recipes.nano.facts import as_mcq, facts_of
from recipes.nano.forward import Group
from recipes.nano.pools import Pools
from recipes.nano.prompts import RowBuilder
from recipes.nano.rows import Row, collate
from recipes.nano.settings import Mix, Settings, StageSettings
from tasks.shapes.world import SKILLS, WORD_QUESTION

__all__ = ["BatchMaker"]

_SKILL_WEIGHTS = {
    "single_object": 1.0,
    "two_object": 1.0,
    "counting": 1.5,
    "colors": 1.5,
    "position": 1.5,
    "color_attr": 2.0,
}
_OPEN_QUESTIONS = 0.3
_DUMMIES_PER_BATCH = 2


class _Draft(NamedTuple):
    """Rows and images of one kind before they become tensors."""

    rows: list[Row]
    seen: list[Tensor]
    seen_index: list[int]
    latents: list[Tensor]


class BatchMaker:
    """Draws batches.

    Args:
        pools: What to draw from.
        builder: Turns sentences into rows.
        settings: The run.
        tokens_per_image: Visual tokens of one image.
    """

    def __init__(
        self, pools: Pools, builder: RowBuilder, settings: Settings, tokens_per_image: int
    ) -> None:
        self._pools = pools
        self._builder = builder
        self._settings = settings
        self._tokens = tokens_per_image

    def draw(self, stage: StageSettings, generator: torch.Generator) -> list[Group]:
        """The groups of one step.

        Args:
            stage: What the batch is made of, and when its images are.
            generator: The step's generator.
        """
        seed, mix = int(torch.randint(2**62, (), generator=generator)), stage.mix
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed,))))
        groups = []
        if mix.generation or mix.editing:
            groups.append(self._group(self._images(stage, rng), generator, stage))
        if mix.questions or mix.easy_vqa:
            groups.append(self._group(self._questions(stage, rng), generator, stage))
        if mix.words:
            groups.append(self._group(self._words(mix, rng), generator, stage))
        return groups

    def _group(self, draft: _Draft, generator: torch.Generator, stage: StageSettings) -> Group:
        rows = collate(draft.rows, self._tokens)
        seen = torch.stack(draft.seen).float().contiguous(memory_format=torch.channels_last)
        index = torch.tensor(draft.seen_index, dtype=torch.int64)
        if not draft.latents:
            return Group(rows, seen, index)
        latents = torch.cat(draft.latents).float()
        noise = torch.randn(latents.shape, generator=generator)
        return Group(rows, seen, index, latents, noise, _times(len(latents), generator, stage))

    def _images(self, stage: StageSettings, rng: np.random.Generator) -> _Draft:
        pools, settings, mix = self._pools, self._settings, stage.mix
        draft = _Draft([], [], [], [])
        for number in rng.integers(len(pools.dummy_pixels), size=_DUMMIES_PER_BATCH):
            draft.seen.append(pools.dummy_pixels[number])
        for _ in range(mix.generation):
            prompt, scenes = self._prompt(rng, stage.skills)
            dummy = bool(rng.random() >= settings.no_dummy)
            drop = bool(rng.random() < settings.drop_prompt)
            row = self._builder.generation(prompt, len(scenes), drop=drop, dummy=dummy)
            draft.rows.append(row)
            draft.latents.append(pools.latents[scenes])
            if dummy:
                draft.seen_index.append(int(rng.integers(_DUMMIES_PER_BATCH)))
        for _ in range(mix.editing):
            self._edit(draft, rng)
        return draft

    def _prompt(
        self, rng: np.random.Generator, factors: Mapping[str, float]
    ) -> tuple[str, list[int]]:
        """A prompt, and scenes that show it: skills by weight, prompts of a skill alike."""
        weights = np.array([_SKILL_WEIGHTS[s] * factors.get(s, 1.0) for s in SKILLS])
        skill = SKILLS[int(rng.choice(len(SKILLS), p=weights / weights.sum()))]
        prompts = self._pools.prompts[skill]
        prompt = list(prompts)[int(rng.integers(len(prompts)))]
        scenes = prompts[prompt]
        return prompt, [scenes[i] for i in rng.integers(len(scenes), size=self._settings.branches)]

    def _edit(self, draft: _Draft, rng: np.random.Generator) -> None:
        pools, settings = self._pools, self._settings
        index = int(rng.integers(len(pools.instructions)))
        drop = bool(rng.random() < settings.drop_prompt)
        text = pools.instructions[index]
        draft.rows.append(self._builder.editing(text, settings.branches, drop=drop))
        draft.latents.append(pools.target_latents[[index] * settings.branches])
        draft.seen_index.append(len(draft.seen))
        draft.seen.append(pools.source_pixels[index])

    def _questions(self, stage: StageSettings, rng: np.random.Generator) -> _Draft:
        pools, count, mix = self._pools, self._settings.questions_per_image, stage.mix
        draft = _Draft([], [], [], [])
        for index in rng.integers(len(pools.questions), size=mix.questions):
            pairs = self._ask(int(index), rng, stage.questions)
            self._understand(draft, pools.question_pixels[index], pairs)
        for index in rng.integers(len(pools.easy), size=mix.easy_vqa):
            known = pools.easy[index]
            pairs = [known[i] for i in rng.integers(len(known), size=count)]
            self._understand(draft, pools.easy_pixels[index], pairs)
        return draft

    def _ask(
        self, index: int, rng: np.random.Generator, factors: Mapping[str, float]
    ) -> list[tuple[str, str]]:
        facts = facts_of(self._pools.questions[index])
        weights = np.array([factors.get(fact.kind, 1.0) for fact in facts])
        count, pairs = self._settings.questions_per_image, []
        for number in rng.choice(len(facts), size=count, p=weights / weights.sum()):
            fact = facts[number]
            if rng.random() < _OPEN_QUESTIONS:
                pairs.append((fact.question, fact.answer))
            else:
                pairs.append(as_mcq(fact, rng))
        return pairs

    def _words(self, mix: Mix, rng: np.random.Generator) -> _Draft:
        pools, draft = self._pools, _Draft([], [], [], [])
        for index in rng.integers(len(pools.words), size=mix.words):
            pairs = [(WORD_QUESTION, pools.words[index])]
            self._understand(draft, pools.word_pixels[index], pairs)
        return draft

    def _understand(self, draft: _Draft, pixels: Tensor, pairs: list[tuple[str, str]]) -> None:
        draft.rows.append(self._builder.questions(pairs))
        draft.seen_index.append(len(draft.seen))
        draft.seen.append(pixels)


def _times(count: int, generator: torch.Generator, stage: StageSettings) -> Tensor:
    """Logit-normal times (count,), a share of them near noise."""
    early = torch.rand(count, generator=generator) < stage.early
    return torch.sigmoid(torch.randn(count, generator=generator) + stage.early_logit * early)
