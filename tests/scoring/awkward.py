"""Texts that trip scorers: control characters, directions, forms of one letter, sheer length."""

from __future__ import annotations

from hypothesis import strategies as st

AWKWARD = (
    "", " ", "\x00", "A\x00", "\x1b[31mB\x1b[0m", "\u202eB\u202c", "\ufeffA", "A\u200b", "\ud800",
    "\uff21\uff22", "\u24b6", "\U0001d400", "\u0130", "\xdf", "\u212a", "\u05d0\u05d1\u05d2",
    "\u0645\u0631\u062d\u0628\u0627", "答案是B", "e\u0301", "\u2028B", "\x85", "1_000",
    "\u0661\u0662", "\xbd", "nan", "-inf", "1e999", "%", "5%%", "[" * 500, "\\boxed{", "\\boxed{B}",
    "((((A))))",
    "answer is", "The answer is", "Answer:", "so is thus =", "A" * 1000, "A,B,C,D", "\n" * 50,
)  # fmt: skip
"""Fixed cases."""

LETTERS = "ABCDEFGH"

pieces = st.sampled_from(
    [
        "A", "B", "(C)", "D.", "Z", "a dog", "cat", "answer is", "Answer:", "is ", "=", "1,000",
        "-.5", "2e3", ".", ",", " ", "\n", "**", "\x00", "İ", "é", "e\u0301", "12", "/", "%", "yes",
        "no",
    ]
)  # fmt: skip
"""What answers are made of."""

answers = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(max_size=80),
    st.lists(pieces, max_size=12).map("".join),
    st.lists(pieces, max_size=12).map(" ".join),
)
"""Any answer a model may give, with those that rules look at more likely."""

options = st.lists(st.text(max_size=12), min_size=2, max_size=8).map(
    lambda texts: dict(zip(LETTERS, texts, strict=False))
)
"""Any options by letter."""

plain_options = st.permutations(["teddy bear", "rabbit", "kitten", "dolphin"]).map(
    lambda texts: dict(zip(LETTERS, texts, strict=False))
)
"""Four options whose texts name nothing but themselves."""
