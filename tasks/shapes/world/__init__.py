"""The procedural world: scenes of coloured shapes and words, with prompts and questions.

Everything is a pure function of `(seed, split, index)`; the random streams of the two splits
are disjoint by construction and the words of the test split never occur in training.
"""

from __future__ import annotations

from tasks.shapes.world.edits import EDIT_KINDS, EditSample, edit_sample
from tasks.shapes.world.generation import SKILLS, GenerationSample, generation_sample
from tasks.shapes.world.palette import BACKGROUND, COLORS, IMAGE_SIZE, SHAPES
from tasks.shapes.world.questions import (
    CATEGORIES,
    LETTERS,
    MCQSample,
    format_mcq,
    mcq_sample,
    rotations,
)
from tasks.shapes.world.raster import render
from tasks.shapes.world.scene import Scene, ShapeObject, Word
from tasks.shapes.world.words import WORD_LETTERS, WORD_QUESTION, WordSample, word_sample

__all__ = [
    "BACKGROUND",
    "CATEGORIES",
    "COLORS",
    "EDIT_KINDS",
    "IMAGE_SIZE",
    "LETTERS",
    "SHAPES",
    "SKILLS",
    "WORD_LETTERS",
    "WORD_QUESTION",
    "EditSample",
    "GenerationSample",
    "MCQSample",
    "Scene",
    "ShapeObject",
    "Word",
    "WordSample",
    "edit_sample",
    "format_mcq",
    "generation_sample",
    "mcq_sample",
    "render",
    "rotations",
    "word_sample",
]
