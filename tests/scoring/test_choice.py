"""Policies for multiple choice beyond the golden cases."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.scoring.choice import EXTRACTORS, judge_choice
from tasks.scoring.mmbench import ROTATION_STRIDE, MCQRow, can_infer_option, judge_circular
from tests.scoring.awkward import AWKWARD, answers, options, plain_options

NAMES = sorted(EXTRACTORS)
READS_TEXTS = ("exact", "exact-legacy", "vanilla", "cheers-wrapper", "strict")
PETS = {"A": "cat", "B": "dog", "C": "rabbit"}


def test_the_policies_that_protocols_name() -> None:
    assert {"exact", "vanilla", "cheers-wrapper", "strict", "lmms-eval"} <= set(NAMES)
    with pytest.raises(TypeError):
        EXTRACTORS["exact"] = EXTRACTORS["strict"]  # type: ignore[index]


@pytest.mark.parametrize("name", NAMES)
@given(answer=answers, choices=options)
def test_any_answer_gives_a_letter_a_refusal_or_nothing(
    name: str, answer: str, choices: dict[str, str]
) -> None:
    before = dict(choices)
    said = EXTRACTORS[name](answer, choices)
    assert said in {*choices, "Z", None}
    assert said == EXTRACTORS[name](answer, choices)
    assert choices == before


@pytest.mark.parametrize("name", NAMES)
def test_awkward_answers_are_read_or_not(name: str) -> None:
    said = {answer: EXTRACTORS[name](answer, PETS) for answer in AWKWARD}
    assert set(said.values()) <= {*PETS, "Z", None}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn(name: str) -> None:
    random.seed(0)
    state = random.getstate()
    for answer in AWKWARD:
        EXTRACTORS[name](answer, PETS)
    assert random.getstate() == state


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["{}", "{}.", "{}. "])
@pytest.mark.parametrize("letter", "ABC")
def test_the_bare_letter_scores_under_every_policy(name: str, letter: str, form: str) -> None:
    assert judge_choice(form.format(letter), PETS, letter, EXTRACTORS[name]) == "ok"


@pytest.mark.parametrize("name", READS_TEXTS)
@given(choices=plain_options, place=st.integers(0, 3))
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_an_options_own_text_scores_where_texts_are_read(
    name: str, spell: Callable[[str], str], choices: dict[str, str], place: int
) -> None:
    letter = "ABCD"[place]
    assert judge_choice(spell(choices[letter]), choices, letter, EXTRACTORS[name]) == "ok"


def circular(name: str, answer: Callable[[Mapping[str, str]], str], turn: int) -> str:
    """The circular verdict on "dog" for options turned by `turn`, and all rotations of them."""
    texts = ["cat", "dog", "rabbit", "teddy bear"]
    verdicts = []
    for k in range(turn, turn + 4):
        choices = dict(zip("ABCD", texts[k % 4 :] + texts[: k % 4], strict=True))
        right = next(letter for letter, text in choices.items() if text == "dog")
        verdicts.append(judge_choice(answer(choices), choices, right, EXTRACTORS[name]))
    return judge_circular(verdicts)


def letter_of(picked: str) -> Callable[[Mapping[str, str]], str]:
    return lambda choices: next((k for k, text in choices.items() if text == picked), "??")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("picked", ["cat", "dog", "rabbit", "owl"])
def test_rotating_options_never_changes_the_verdict_on_who_picks_by_content(
    name: str, picked: str
) -> None:
    first, *others = (circular(name, letter_of(picked), turn) for turn in range(4))
    assert others == [first] * 3
    assert (first == "ok") == (picked == "dog")


@pytest.mark.parametrize("name", READS_TEXTS)
@pytest.mark.parametrize("picked", ["cat", "dog", "rabbit", "owl", "a dog", "cat or dog"])
def test_rotating_options_never_changes_the_verdict_on_who_says_the_text(
    name: str, picked: str
) -> None:
    first, *others = (circular(name, lambda _: picked, turn) for turn in range(4))
    assert others == [first] * 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("b", "B"),
        ("(b)", "B"),
        ("[B].", "B"),
        ("B)", "B"),
        ("B:", "B"),
        ("**B**", "B"),
        ("**B.** dog", "B"),
        ("Answer: B", "B"),
        ("answer:B.", "B"),
        ("The correct answer is (B) dog.", "B"),
        ("The answer is: dog", "B"),
        ("  DOG \n", "B"),
        ("dog.", "B"),
        ("D", None),
        ("a dog", None),
        ("A or B", None),
        ("B. cat", None),
        ("It is B", None),
        ("B because the dog barks", None),
        ("dogs", None),
        ("", None),
        (".", None),
        ("answer", None),
        ("\uff22", None),
        ("B" * 2, None),
        ("B" + "\n" * 1_000_000, "B"),
    ],
)
def test_strict(answer: str, said: str | None) -> None:
    assert EXTRACTORS["strict"](answer, PETS) == said


def test_strict_where_texts_mislead() -> None:
    strict = EXTRACTORS["strict"]
    assert strict("B", {"A": "B", "B": "A"}) == "B"
    assert strict("cat", {"A": "cat", "B": "Cat."}) is None
    assert strict("answer: yes", {"A": "answer: yes", "B": "yes"}) == "A"
    assert strict("", {"A": "", "B": "x"}) is None
    assert strict("x", {}) is None


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["NFC", "NFD"]))
def test_strict_reads_any_text_in_any_case_and_form(first: str, second: str, form: Any) -> None:
    strict = EXTRACTORS["strict"]
    choices = {"A": first, "B": second}
    said = strict(first, choices)
    assume(said == "A")
    assert strict(unicodedata.normalize(form, first), choices) == "A"
    assert strict(f"\t{first}\n ", choices) == "A"


@given(answers, options)
def test_strict_never_contradicts_a_single_standing_letter(
    answer: str, choices: dict[str, str]
) -> None:
    """What strict reads as a letter, VLMEvalKit's exact matching reads so too."""
    said = EXTRACTORS["strict"](answer, choices)
    if said is not None and answer.strip() == said:
        assert EXTRACTORS["exact"](answer, choices) == said


@given(answers, options)
def test_vanilla_is_exact_with_refusals_for_what_is_not_read(
    answer: str, choices: dict[str, str]
) -> None:
    exact = EXTRACTORS["exact"](answer, choices)
    assert EXTRACTORS["vanilla"](answer, choices) == (exact or "Z")


@given(answers, options)
def test_legacy_matching_reads_all_letters_that_exact_matching_reads(
    answer: str, choices: dict[str, str]
) -> None:
    """The corrections took letters away, and added those after "answer is"."""
    exact = can_infer_option(answer, choices)
    legacy = can_infer_option(answer, choices, variant="legacy")
    if exact is not None and "answer is" not in " ".join(answer.lower().split()):
        assert legacy == exact


@pytest.mark.parametrize(
    ("answer", "exact", "legacy"),
    [
        ("B is what I see in the middle", None, "B"),
        ("The answer is **b**, and here is why", "B", None),
        ("It seems to me that this must be a rabbit", None, "C"),
        ("B", "B", "B"),
        ("rabbit", "C", "C"),
    ],
)
def test_exact_matching_before_and_after_its_corrections(
    answer: str, exact: str | None, legacy: str | None
) -> None:
    assert EXTRACTORS["exact"](answer, PETS) == exact
    assert EXTRACTORS["exact-legacy"](answer, PETS) == legacy


@pytest.mark.parametrize(
    ("answer", "said", "mmstar"),
    [
        ("a dog", "A", "A"),
        ("It's a rabbit.", "A", "A"),
        ("the dog!", "B", None),
        ("Answer: C", "C", "C"),
        ("B, I think", "B", None),
        ("Plan b or c", "C", "C"),
        ("", None, None),
        ("?!", None, None),
        ("犬", None, None),
    ],
)
def test_the_wrapper(answer: str, said: str | None, mmstar: str | None) -> None:
    assert EXTRACTORS["cheers-wrapper"](answer, PETS) == said
    assert EXTRACTORS["cheers-wrapper-mmstar"](answer, PETS) == mmstar


def test_a_mistaken_article_changes_a_verdict() -> None:
    verdicts = {
        name: judge_choice("a dog", PETS, "B", EXTRACTORS[name])
        for name in ("exact", "cheers-wrapper", "strict", "lmms-eval-seedbench")
    }
    assert verdicts == {
        "exact": "ok",
        "cheers-wrapper": "wrong",
        "strict": "unparsed",
        "lmms-eval-seedbench": "wrong",
    }


def test_a_gold_letter_that_is_no_option_is_refused() -> None:
    with pytest.raises(ValueError, match="answer 'D' isn't one of the options"):
        judge_choice("D", PETS, "D", EXTRACTORS["exact"])


@pytest.mark.parametrize("name", ["exact", "exact-legacy", "vanilla", "cheers-wrapper"])
def test_policies_of_vlmevalkit_want_single_letters_as_keys(name: str) -> None:
    with pytest.raises(ValueError, match="isn't a letter A to Z"):
        EXTRACTORS[name]("x", {"one": "x"})


def test_a_row_and_a_policy_agree() -> None:
    from tasks.scoring.mmbench import judge_row

    row = MCQRow(index=ROTATION_STRIDE, choices=PETS, answer="B", prediction="It is a dog")
    assert judge_row(row) == judge_choice(row.prediction, PETS, "B", EXTRACTORS["exact"]) == "ok"
