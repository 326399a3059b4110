"""Cycle tasks: questions that the record answers, and models that are honest, blind or contrary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.ledger import Ledger
from harness.records import Response, TaskResult, Verdict
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.cycle.geneval import GenEvalCycle
from tasks.cycle.questions import LETTERS, Question, ask_about
from tasks.scoring.geneval import parse_prompt
from tasks.shapes.cycle import ShapesCycle
from tasks.shapes.dataset import DATA_SEED, SPLIT, picture
from tasks.shapes.judge import find_shapes
from tasks.shapes.seeing import read
from tasks.shapes.world import SHAPES, Scene, generation_sample
from tasks.shapes.world.palette import plural
from tests.harness.toys import ToyModel
from tests.tasks.answers import values_of

PROMPTS = 6
TASK = ShapesCycle({"prompts": PROMPTS})


def asked_of(prompt: str) -> Question:
    """The question of a request, read back from its text."""
    text, *lines = prompt.splitlines()
    a, b, c, d = (line.split(". ", 1)[1] for line in lines)
    kinds = {"where": "position", "what": "color", "how": "count", "which": "existence"}
    words = text.rstrip("?").split()
    names = {**{shape: shape for shape in SHAPES}, **{plural(shape): shape for shape in SHAPES}}
    named = tuple(names[word] for word in words if word in names)
    return Question(kinds[words[0]], text, (a, b, c, d), "", named)


class Painter(ToyModel):
    """Draws a scene that fits each prompt; answers by `say`."""

    def __init__(self, say: Any, scenes: Any = None) -> None:
        super().__init__()
        self.say = say
        samples = [generation_sample(DATA_SEED, SPLIT, i) for i in range(6 * PROMPTS)]
        self.scenes = {s.prompt: s.scene for s in samples}
        self.draw = scenes or (lambda scene: scene)

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(image=picture(self.draw(self.scenes[r.prompt]))) for r in requests]

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        return [Response(text=self.say(asked_of(r.prompt), r.images[0])) for r in requests]


def honest(question: Question, image: Any) -> str:
    return read(find_shapes(image), question) or "I can't tell"


def contrary(question: Question, image: Any) -> str:
    seen = read(find_shapes(image), question)
    return next(option for option in question.options if option != seen)


def blind(question: Question, image: Any) -> str:
    return LETTERS[0]


def result(tmp_path: Path, adapter: ToyModel, monkeypatch: pytest.MonkeyPatch) -> TaskResult:
    monkeypatch.setitem(models()._added, "painter", lambda: adapter)
    ref = TaskRef(task="shapes-cycle", options={"prompts": PROMPTS})
    out = str(tmp_path / "run")
    execute(RunSpec(tasks=(ref,), model=ModelRef(name="painter"), out=out))
    with Ledger.open(out) as ledger:
        return ledger.results()[0]


def test_an_honest_painter_agrees_with_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = values_of(result(tmp_path, Painter(honest), monkeypatch))
    assert found["cycle"] >= 0.97
    assert found["reading"] == 1
    assert found["shown"] >= 0.97
    assert found["drawn"] >= 0.97


def test_a_contrary_one_draws_right_and_answers_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done = result(tmp_path, Painter(contrary), monkeypatch)
    found = values_of(done)
    assert found["cycle"] <= 0.03
    assert found["reading"] == 0
    assert found["drawn"] >= 0.97
    assert done.verdicts["wrong"] >= 40
    with Ledger.open(tmp_path / "run") as ledger:
        wrong = next(e for e in ledger.entries("shapes-cycle") if "/q" in e.sample.id)
    assert "the prompt says" in wrong.outcome.reason
    assert "the picture shows" in wrong.outcome.reason


def test_a_bad_painter_with_good_eyes_is_told_from_a_bad_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    nothing = Painter(honest, scenes=lambda scene: Scene())
    done = result(tmp_path, nothing, monkeypatch)
    found = values_of(done)
    assert found["cycle"] == found["drawn"] == 0
    assert found["reading"] is None  # nothing is clear in an empty picture
    assert set(done.verdicts) == {"wrong", "unparsed"}


def test_a_blind_one_gets_what_chance_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = values_of(result(tmp_path, Painter(blind), monkeypatch))
    assert 0.05 < found["cycle"] < 0.5  # 42 questions, one in four
    assert found["reading"] == pytest.approx(found["cycle"], abs=0.05)
    assert found["drawn"] >= 0.97


def test_silence_is_unparsed_and_counts_as_no_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done = result(tmp_path, Painter(lambda question, image: ""), monkeypatch)
    questions = sum("/q" in sample.id for sample in TASK.samples())
    assert done.verdicts["unparsed"] == questions == 42
    assert values_of(done)["cycle"] == 0


@pytest.mark.parametrize("task", [TASK, GenEvalCycle({"prompts_per_skill": 30})])
def test_every_question_has_one_right_option_among_four(task: Any):
    drawings: dict[str, Any] = {}
    places, kinds = Counter[int](), Counter[str]()
    for sample in task.samples():
        about = task.follows(sample)
        if about is None:
            drawings[sample.id] = sample.target
            continue
        assert about[0] in drawings  # a drawing stands before what follows it
        options = sample.data["options"]
        assert len(set(options)) == 4
        assert options.count(sample.target) == 1
        assert sample.cluster == about[0]
        places[options.index(sample.target)] += 1
        kinds[str(sample.category)] += 1
    assert set(kinds) == {"existence", "count", "color", "position"}
    # Right options are spread over the letters: 42 and 230 questions.
    assert min(places.values()) > 0.12 * places.total()


def test_questions_are_those_of_the_same_number_whatever_the_size():
    few, more = (list(ShapesCycle({"prompts": n}).samples()) for n in (1, 2))
    assert more[: len(few)] == few


def test_what_is_seen_of_a_right_picture_is_what_the_prompt_says():
    apart = 0
    questions = 0
    for sample in ShapesCycle({"prompts": 20}).samples():
        about = TASK.follows(sample)
        if about is None:
            continue
        data: Any = sample.data
        question = Question(
            data["kind"], data["text"], tuple(data["options"]), data["answer"], data["objects"]
        )
        scene = generation_sample(DATA_SEED, SPLIT, int(about[0])).scene
        questions += 1
        apart += read(find_shapes(picture(scene)), question) not in (question.answer, None)
    assert questions == 140
    assert apart <= 0.02 * questions


@pytest.mark.parametrize(
    ("include", "text", "answer"),
    [
        ([{"class": "cow", "count": 1}], "which of these is in the image?", "a cow"),
        (
            [{"class": "cow", "count": 1}, {"class": "apple", "count": 1}],
            "which of these are in the image?",
            "a cow and an apple",
        ),
        ([{"class": "bus", "count": 3}], "how many buses are in the image?", "three"),
        ([{"class": "cow", "count": 1, "color": "red"}], "what color is the cow?", "red"),
        (
            [
                {"class": "bus", "count": 1},
                {"class": "cow", "count": 1, "position": ["above", 0]},
            ],
            "where is the cow relative to the bus?",
            "above",
        ),
    ],
)
def test_the_wording(include: Any, text: str, answer: str):
    spec = parse_prompt({"tag": "x", "include": include, "prompt": "p"})
    (question,) = ask_about(spec, GenEvalCycle().vocabulary(), np.random.default_rng(0))
    assert (question.text, question.answer) == (text, answer)
    assert answer in question.options


def test_a_prompt_with_two_colours_is_asked_about_both():
    include = [
        {"class": "cow", "count": 1, "color": "red"},
        {"class": "bus", "count": 1, "color": "blue"},
    ]
    spec = parse_prompt({"tag": "color_attr", "include": include, "prompt": "p"})
    asked = ask_about(spec, GenEvalCycle().vocabulary(), np.random.default_rng(0))
    assert [question.answer for question in asked] == ["red", "blue"]


def test_a_prompt_that_states_nothing_is_refused():
    spec = parse_prompt({"tag": "x", "include": [], "prompt": "art"})
    with pytest.raises(ValueError, match="states nothing to ask about"):
        ask_about(spec, GenEvalCycle().vocabulary(), np.random.default_rng(0))


def test_a_task_of_both_needs_both():
    needs = GenEvalCycle.metadata.requires
    assert needs == ShapesCycle.metadata.requires
    assert {c.value for c in needs} == {"generate_image", "answer"}
    assert {v for v in Verdict if v.is_known} >= {Verdict.UNPARSED}
