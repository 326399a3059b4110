"""The procedural world: determinism, splits, wording, metadata, geometry."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from tasks.shapes.world import (
    BACKGROUND,
    CATEGORIES,
    COLORS,
    EDIT_KINDS,
    IMAGE_SIZE,
    LETTERS,
    SHAPES,
    SKILLS,
    WORD_LETTERS,
    WORD_QUESTION,
    MCQSample,
    Scene,
    ShapeObject,
    edit_sample,
    format_mcq,
    generation_sample,
    mcq_sample,
    render,
    rotations,
    word_sample,
)
from tasks.shapes.world.layouts import RELATIONS, opposite
from tasks.shapes.world.palette import NUMBER_WORDS, plural
from tasks.shapes.world.seeds import generator
from tasks.shapes.world.words import words_of

Maker = Callable[[int, str, int], object]
MAKERS: list[Maker] = [generation_sample, mcq_sample, word_sample, edit_sample]


@pytest.mark.parametrize("make", MAKERS)
def test_a_sample_is_a_pure_function_of_seed_split_and_index(make: Maker):
    first = [make(3, "test", index) for index in range(20)]
    again = [make(3, "test", index) for index in reversed(range(20))]
    assert first == list(reversed(again))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("other", [(4, "test", 7), (3, "train", 7), (3, "test", 7 + 60)])
def test_seed_split_and_index_all_matter(make: Maker, other: tuple[int, str, int]):
    mine = [make(3, "test", 7 + 60 * k) for k in range(5)]
    theirs = [make(other[0], other[1], other[2] + 60 * k) for k in range(5)]
    assert mine != theirs


@pytest.mark.parametrize("stream", ["generation", "mcq", "word", "edit"])
def test_train_and_test_streams_never_meet(stream: str):
    draws = {
        split: {int(generator(0, split, stream, i).integers(2**62)) for i in range(500)}
        for split in ("train", "test")
    }
    assert not draws["train"] & draws["test"]
    assert all(len(values) == 500 for values in draws.values())


@pytest.mark.parametrize(
    ("seed", "split", "index"), [(0, "dev", 0), (-1, "test", 0), (0, "test", -1)]
)
@pytest.mark.parametrize("make", MAKERS)
def test_bad_arguments_are_refused(make: Maker, seed: int, split: str, index: int):
    with pytest.raises(ValueError, match=r"unknown split|must be >= 0"):
        make(seed, split, index)


def test_the_package_imports_neither_numpy_nor_torch():
    code = "import sys, tasks.shapes; print('numpy' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_world_does_not_import_torch():
    code = "import sys, tasks.shapes.world, tasks.shapes.detector; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- pixels ---------------------------------------------------------------------------------


def test_an_empty_scene_is_background():
    image = render(Scene())
    assert image.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert image.dtype == np.uint8
    assert (image == BACKGROUND).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("color", COLORS)
def test_a_shape_fills_its_box_with_its_colour(shape: str, color: str):
    box = (12.0, 20.0, 44.0, 52.0)
    image = render(Scene(objects=(ShapeObject(shape=shape, color=color, box=box),)))
    touched = (image != BACKGROUND).any(-1)
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == box
    assert tuple(image[36, 28]) == COLORS[color]


def test_covered_area_is_that_of_geometry():
    side = 32.0
    expected = {"circle": np.pi / 4, "square": 1.0, "triangle": 0.5, "cross": 1 - 0.64**2}
    for shape, share in expected.items():
        item = ShapeObject(shape=shape, color="black", box=(16.0, 16.0, 16 + side, 16 + side))
        image = render(Scene(objects=(item,))).astype(float)[..., 0]
        covered = (BACKGROUND[0] - image).sum() / (BACKGROUND[0] - COLORS["black"][0])
        assert covered == pytest.approx(share * side**2, rel=0.03), shape


def test_edges_are_anti_aliased():
    item = ShapeObject(shape="circle", color="black", box=(16.0, 16.0, 48.0, 48.0))
    values = np.unique(render(Scene(objects=(item,)))[..., 0])
    assert len(values) > 4


def test_an_unknown_shape_is_refused():
    item = ShapeObject(shape="star", color="red", box=(1.0, 1.0, 9.0, 9.0))
    with pytest.raises(ValueError, match="unknown shape 'star'"):
        render(Scene(objects=(item,)))


def test_a_word_is_drawn_inside_the_image_and_depends_on_its_letters():
    images = [render(word_sample(0, "test", index).scene) for index in range(100)]
    for image in images:
        inked = (image != BACKGROUND).any(-1)
        assert inked.sum() > 60
        assert not inked[0].any()
        assert not inked[-1].any()
        assert not inked[:, 0].any()
        assert not inked[:, -1].any()


def test_scenes_round_trip_through_json():
    scene = edit_sample(0, "test", 5).source
    assert msgspec.json.decode(msgspec.json.encode(scene), type=Scene) == scene


# --- generation -------------------------------------------------------------------------------


def test_skills_take_turns():
    tags = [generation_sample(0, "test", index).metadata["tag"] for index in range(12)]
    assert tags == list(SKILLS) * 2


@pytest.mark.parametrize("index", range(60))
def test_the_scene_satisfies_its_own_record(index: int):
    prompt, metadata, scene = generation_sample(1, "test", index)
    assert metadata["prompt"] == prompt
    assert set(metadata) == {"tag", "include", "prompt"} | (
        {"exclude"} if metadata["tag"] == "counting" else set()
    )
    shapes = Counter(item.shape for item in scene.objects)
    for wanted in metadata["include"]:
        assert shapes[wanted["class"]] == wanted["count"]
        if "color" in wanted:
            colors = {o.color for o in scene.objects if o.shape == wanted["class"]}
            assert colors == {wanted["color"]}
    for unwanted in metadata.get("exclude", []):
        assert shapes[unwanted["class"]] < unwanted["count"]


@pytest.mark.parametrize("index", range(4, 240, 6))
def test_positions_are_beyond_geneval_doubt(index: int):
    sample = generation_sample(2, "train", index)
    (target, subject), relation = (
        sample.metadata["include"],
        sample.metadata["include"][1]["position"],
    )
    centers = {o.shape: o.center for o in sample.scene.objects}
    (x, y), (u, v) = centers[subject["class"]], centers[target["class"]]
    dx, dy = x - u, y - v
    found = {"left of": dx < 0, "right of": dx > 0, "above": dy < 0, "below": dy > 0}
    assert relation[1] == 0
    assert found[relation[0]]
    main = abs(dx) if relation[0] in ("left of", "right of") else abs(dy)
    assert main > 1.8 * min(abs(dx), abs(dy))


def test_prompts_have_genevals_wording():
    patterns = {
        "single_object": "a photo of a {shape}",
        "counting": "a photo of {number} {shapes}",
        "colors": "a photo of a {color} {shape}",
    }
    for index in range(36):
        prompt, metadata, scene = generation_sample(0, "test", index)
        first = scene.objects[0]
        pattern = patterns.get(metadata["tag"])
        if pattern:
            assert prompt == pattern.format(
                shape=first.shape,
                shapes=plural(first.shape),
                color=first.color,
                number=NUMBER_WORDS[len(scene.objects)],
            )


@pytest.mark.parametrize("index", range(0, 300, 7))
def test_objects_stay_inside_and_apart(index: int):
    boxes = [item.box for item in generation_sample(5, "train", index).scene.objects]
    for x0, y0, x1, y1 in boxes:
        assert 0 < x0 < x1 < IMAGE_SIZE
        assert 0 < y0 < y1 < IMAGE_SIZE
    for number, a in enumerate(boxes):
        for b in boxes[number + 1 :]:
            assert max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3]) >= 1


def test_counts_and_relations_all_occur():
    samples = [generation_sample(0, "test", index) for index in range(600)]
    counts = {len(s.scene.objects) for s in samples if s.metadata["tag"] == "counting"}
    relations = {
        s.metadata["include"][1]["position"][0] for s in samples if s.metadata["tag"] == "position"
    }
    assert counts == {2, 3, 4}
    assert relations == set(RELATIONS)


def test_opposites_are_opposite():
    assert all(opposite(opposite(name)) == name != opposite(name) for name in RELATIONS)


# --- questions --------------------------------------------------------------------------------


def _truth(sample: MCQSample) -> str:
    """The right answer, from the scene alone."""
    objects = sample.scene.objects
    named = [o for o in objects if o.shape in sample.question or plural(o.shape) in sample.question]
    if sample.category == "color":
        return named[0].color
    if sample.category == "shape":
        return next(o.shape for o in objects if f" {o.color} " in sample.question)
    if sample.category == "count":
        return NUMBER_WORDS[len(named)]
    if sample.category == "existence":
        return f"a {objects[0].color} {objects[0].shape}"
    first, second = sorted(objects, key=lambda o: sample.question.index(o.shape))
    dx, dy = first.center[0] - second.center[0], first.center[1] - second.center[1]
    if abs(dx) > abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


@pytest.mark.parametrize("index", range(100))
def test_the_marked_option_is_right_and_the_others_are_not(index: int):
    sample = mcq_sample(0, "test", index)
    assert sample.category == CATEGORIES[index % len(CATEGORIES)]
    assert len(set(sample.options)) == 4
    assert sample.options[sample.answer] == _truth(sample)


def test_answers_are_spread_over_the_letters():
    answers = Counter(mcq_sample(0, "test", index).answer for index in range(400))
    assert all(70 < answers[letter] < 130 for letter in range(4))


def test_rotations_keep_the_right_answer_and_move_it():
    sample = mcq_sample(0, "test", 0)
    turned = rotations(sample)
    assert turned[0] == sample
    assert {t.options[t.answer] for t in turned} == {sample.options[sample.answer]}
    assert sorted(t.answer for t in turned) == [0, 1, 2, 3]
    assert len({t.options for t in turned}) == 4


def test_options_are_labelled_in_order():
    sample = mcq_sample(0, "test", 1)
    lines = format_mcq(sample.question, sample.options).splitlines()
    assert lines[0] == sample.question
    assert lines[1:] == [f"{a}. {b}" for a, b in zip(LETTERS, sample.options, strict=True)]


# --- words ------------------------------------------------------------------------------------


def test_test_words_are_held_out():
    train, test = set(words_of("train")), set(words_of("test"))
    assert not train & test
    assert len(train | test) == len(WORD_LETTERS) ** 3
    assert {word_sample(0, "train", i).answer for i in range(300)} <= train
    assert {word_sample(0, "test", i).answer for i in range(300)} <= test


@pytest.mark.parametrize("place", range(3))
def test_every_letter_occurs_at_every_place_of_both_splits(place: int):
    for split in ("train", "test"):
        assert {word[place] for word in words_of(split)} == set(WORD_LETTERS)


def test_unknown_word_split_is_refused():
    with pytest.raises(ValueError, match="unknown split"):
        words_of("all")


def test_word_samples_ask_the_same_question():
    sample = word_sample(0, "test", 0)
    assert sample.question == WORD_QUESTION
    assert sample.scene.word is not None
    assert sample.scene.word.text == sample.answer


# --- edits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(60))
def test_an_edit_changes_one_thing_of_one_object(index: int):
    sample = edit_sample(0, "test", index)
    assert sample.kind == EDIT_KINDS[index % 2]
    for number, (a, b) in enumerate(zip(sample.source.objects, sample.target.objects, strict=True)):
        assert a.box == b.box
        if number != sample.changed:
            assert a == b
        elif sample.kind == "recolor":
            assert a.shape == b.shape
            assert a.color != b.color
        else:
            assert a.color == b.color
            assert a.shape != b.shape


@pytest.mark.parametrize("index", range(40))
def test_an_edit_names_its_object_and_its_result(index: int):
    sample = edit_sample(1, "train", index)
    old, new = sample.source.objects[sample.changed], sample.target.objects[sample.changed]
    expected = {
        "recolor": f"make the {old.shape} {new.color}",
        "replace": f"replace the {old.shape} with a {new.shape}",
    }
    assert sample.instruction == expected[sample.kind]
    assert len({o.shape for o in sample.target.objects}) == len(sample.target.objects)
