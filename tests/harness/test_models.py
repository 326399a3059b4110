"""Naming a model: registry, location, the user's own file."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from harness.errors import AdapterError, CapabilityError, SpecError, UnknownNameError
from harness.models import build_model, find_model, model_ref
from harness.records import AnswerRequest, Capability, JsonValue, TextDecoding
from harness.runspec import ModelRef

OWN = """
from harness import ModelAdapter
from harness.records import Capability, Fingerprint, ModelCard, Response
import neighbour


class Mine(ModelAdapter):
    card = ModelCard(name="mine", summary="Mine.", licence="MIT", source="here",
                     capabilities=frozenset({Capability.ANSWER}))

    def __init__(self, word: str = "A"):
        self.word = word

    def fingerprint(self):
        return Fingerprint(model="mine", adapter="mine", code_version="1", weights_sha256=None,
                           config={}, defaults={}, dtype="float32", device="cpu")

    def answer(self, requests):
        return [Response(text=self.word) for _ in requests]


class Stranger:
    pass
"""


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("X = 1\n")
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("null", "null", {}),
        ("cheers:/ckpt/dir", "cheers", {"path": "/ckpt/dir"}),
        ("cheers:org/name", "cheers", {"path": "org/name"}),
        ("./a/b.py:Model", "./a/b.py:Model", {}),
    ],
)
def test_reading_a_name(text: str, name: str, args: dict[str, str]):
    ref = model_ref(text)
    assert (ref.name, ref.args) == (name, args)


def test_a_location_given_twice_is_refused():
    with pytest.raises(SpecError, match="once"):
        model_ref("cheers:/a", {"path": "/b"})


def test_an_adapter_in_the_users_file(own_file: Path):
    model = build_model(ModelRef(name=f"{own_file}:Mine", args={"word": "B"}))
    assert model.answer([AnswerRequest(prompt="?")])[0].text == "B"


def test_finding_loads_the_card_only(own_file: Path):
    assert find_model(f"{own_file}:Mine").card.name == "mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}:Mien", "did you mean 'Mine'?"),
        ("{}:Stranger", "not an adapter"),
        ("{}", "no class is named"),
        ("{}x.py:Mine", "no file"),
    ],
)
def test_mistakes_in_naming_a_file(own_file: Path, name: str, said: str):
    with pytest.raises(AdapterError) as caught:
        build_model(ModelRef(name=name.format(own_file)))
    assert said in str(caught.value)


def test_a_file_that_fails_on_import_is_named(tmp_path: Path):
    path = tmp_path / "bad.py"
    path.write_text("1 / 0\n")
    with pytest.raises(AdapterError, match="ZeroDivisionError"):
        build_model(ModelRef(name=f"{path}:Model"))


@pytest.mark.parametrize(
    ("args", "said"), [({"answr": "x"}, "'answer'"), ({"zzz": 1}, "it takes: answer")]
)
def test_wrong_arguments_name_the_right_ones(args: dict[str, object], said: str):
    with pytest.raises(SpecError) as caught:
        build_model(ModelRef(name="null", args=args))  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_an_unknown_model():
    with pytest.raises(UnknownNameError, match="nul"):
        build_model(ModelRef(name="nul"))


# --- a plain function ----------------------------------------------------------------------------

PLAIN = """
def answer(prompt, images, seed, word="A", *, times=1):
    'Says a word.'
    return (word * times) + f" {prompt} {len(images)} {seed}" if word else None


async def later(prompt, images):
    return "A"


def factory(word):
    return None


def open_ended(prompt, images, seed, **kwargs):
    return f"{prompt} {seed} {sorted(kwargs.items())}"


def starred(prompt, images, *rest, word="A"):
    return f"{prompt} {rest} {word}"
"""


@pytest.fixture
def plain_file(tmp_path: Path) -> Path:
    path = tmp_path / "plain.py"
    path.write_text(PLAIN)
    return path


def test_a_plain_function_is_a_model(plain_file: Path):
    model = build_model(ModelRef(name=f"{plain_file}:answer", args={"word": "B", "times": 2}))
    requests = [
        AnswerRequest(prompt=p, images=(Image.new("RGB", (1, 1)),), seed=5) for p in ("x", "y")
    ]
    assert [r.text for r in model.answer(requests)] == ["BB x 1 5", "BB y 1 5"]
    assert (model.card.name, model.card.summary) == ("answer", "Says a word.")
    assert model.card.capabilities == {Capability.ANSWER}


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("open_ended", {}, "x 5 []"),
        ("open_ended", {"depth": 2, "word": "B"}, "x 5 [('depth', 2), ('word', 'B')]"),
        ("starred", {}, "x () A"),
        ("starred", {"word": "B"}, "x () B"),
    ],
)
def test_a_function_with_stars_is_a_model(
    plain_file: Path, name: str, args: dict[str, JsonValue], said: str
):
    model = build_model(ModelRef(name=f"{plain_file}:{name}", args=args))
    assert [r.text for r in model.answer([AnswerRequest(prompt="x", seed=5)])] == [said]
    assert model.fingerprint().config["arguments"] == args


def test_a_function_s_answer_is_cut_at_a_stop_string(plain_file: Path):
    model = build_model(ModelRef(name=f"{plain_file}:answer"))
    request = AnswerRequest(prompt="x", decoding=TextDecoding(stop=(" ",)))
    assert model.answer([request])[0].text == "A"


def test_a_function_is_identified_by_its_file_and_arguments(plain_file: Path):
    def fingerprint(**args: str):
        return build_model(ModelRef(name=f"{plain_file}:answer", args=args)).fingerprint()

    first = fingerprint()
    assert first == fingerprint() != fingerprint(word="B")
    assert first.config["file_sha256"] == hashlib.sha256(PLAIN.encode()).hexdigest()
    plain_file.write_text(PLAIN + "# changed\n")
    assert fingerprint() != first


def test_a_function_that_returns_no_text_is_named(plain_file: Path):
    model = build_model(ModelRef(name=f"{plain_file}:answer", args={"word": ""}))
    with pytest.raises(AdapterError, match=r"'answer' of .*plain\.py returned a NoneType"):
        model.answer([AnswerRequest(prompt="x")])


def test_a_function_is_no_continuation_of_text(plain_file: Path):
    model = build_model(ModelRef(name=f"{plain_file}:answer"))
    with pytest.raises(CapabilityError, match="raw_text"):
        model.answer([AnswerRequest(prompt="x", raw=True)])


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("answer", {"wrod": "B"}, "did you mean 'word'"),
        ("answer", {"seed": 1}, "it takes: word, times"),
        ("open_ended", {"seed": 1}, "seed comes with each request"),
        ("open_ended", {"prompt": "x"}, "prompt comes with each request"),
        ("starred", {"rest": 1}, "it takes: word"),
        ("starred", {"depth": 1}, "it takes: word"),
        ("later", {}, "missing"),
        ("factory", {"word": 1}, "name a function of prompt and images"),
    ],
)
def test_mistakes_with_functions(plain_file: Path, name: str, args: dict[str, str], error: str):
    with pytest.raises((SpecError, AdapterError), match=error):
        build_model(ModelRef(name=f"{plain_file}:{name}", args=args))
