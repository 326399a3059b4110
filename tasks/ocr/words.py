"""The word list and the dice of everything that is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from harness.seeds import stream_seed

__all__ = ["LONG_WORDS", "MIDDLE_WORDS", "SHORT_WORDS", "Dice", "sentence"]

T = TypeVar("T")

_LONG = """
adventure blueberry breakfast butterfly carpenter celebration chocolate dandelion education
elephant engineering everything excellent explosion festival fireworks furniture generation
grandmother hamburger happiness important information international laboratory landscape
lighthouse magnificent marketplace moonlight mountains newspaper nightingale orchestra painting
passengers pineapple playground president professor raspberry restaurant satellite skyscraper
something strawberry submarine sunflower telephone television tournament traditional umbrella
university vegetables waterfall wonderful workshop yesterday
"""

_MIDDLE = """
bakery bridge butter candle castle coffee corner cotton desert dinner dragon engine family forest
garden guitar harbor island jacket kitchen ladder lantern library market meadow mirror museum
orange orchard pepper picnic planet pocket police purple rabbit rocket school shadow silver spring
summer sunset theatre ticket tomato travel tunnel valley velvet village violin walnut window
winter yellow
"""

_SHORT = """
air apple art beach bear bird blue boat book bread brick calm city clay cloud coal coin cold cook
corn cup dance dawn deer desk door dust east edge farm fire fish five flag fog food fox frog fruit
game gate gift glass gold grass green hat hill home honey house ice ink jazz juice key king lake
lamp leaf lemon light lion lunch map mint moon music night noise north ocean olive open owl paint
paper peace pear piano pink plum pond queen quiet rain red rice river road roof rose salt sand sea
seed ship shop silk sky snow soap song south star stone sugar sun swan tea tiger time town train
tree violet wall water west wheat wind wolf wood yard zoo
"""

SHORT_WORDS = tuple(_SHORT.split())
"""Words of three to six letters."""

MIDDLE_WORDS = tuple(_MIDDLE.split())
"""Words of six to seven letters."""

LONG_WORDS = tuple(_LONG.split())
"""Words of eight letters and more."""

_ADJECTIVES = (
    "bright",
    "brown",
    "early",
    "happy",
    "little",
    "new",
    "old",
    "quiet",
    "small",
    "warm",
)
_BEINGS = ("baker", "cat", "dog", "farmer", "girl", "horse", "king", "robot", "teacher", "writer")
_VERBS = ("dances", "looks", "rests", "runs", "sings", "sits", "sleeps", "waits", "walks", "works")
_PLACES = ("behind", "beside", "near", "on", "under")
_THINGS = ("bridge", "castle", "desk", "fire", "gate", "house", "lamp", "piano", "tower", "window")


class Dice:
    """Numbers from hashes: the same in every version of Python and numpy.

    Args:
        seed: Seed, >= 0.
        name: What is drawn; other names give other numbers.

    Example:
        >>> dice, again = Dice(0, "word"), Dice(0, "word")
        >>> [dice.below(9) for _ in range(3)] == [again.below(9) for _ in range(3)]
        True
    """

    def __init__(self, seed: int, name: str) -> None:
        self._seed = seed
        self._name = name
        self._thrown = 0

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        self._thrown += 1
        return stream_seed(self._seed, f"{self._name}/{self._thrown}") % limit

    def pick(self, things: Sequence[T]) -> T:
        """One of some things."""
        return things[self.below(len(things))]


def sentence(dice: Dice) -> str:
    """A sentence of seven words, lower case but for the first letter, without a full stop.

    Example:
        >>> len(sentence(Dice(0, "s")).split())
        7
    """
    words = (dice.pick(_ADJECTIVES), dice.pick(_BEINGS), dice.pick(_VERBS), dice.pick(_PLACES))
    return f"The {' '.join(words)} the {dice.pick(_THINGS)}"
