"""Statistics of tables against numbers counted by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.data import Spread, describe, open_table
from harness.data.describing import OTHERS, _quantile
from harness.errors import DataError, SpecError
from tests.data.toys import COLUMNS, png64, question, write_tsv


def test_everything_is_counted(tmp_path: Path):
    rows = [
        question(1, image=png64("red", (10, 20)), C="", question="four"),
        question(2, image="1", C="a fox", question="twelve chars"),
        question(3, image=png64("red", (10, 20)), A="", category="plants"),
        question(4, image=png64("blue", (30, 40)), answer=""),
        question(5, image="bad"),
        question(6, image=""),
    ]
    stats = describe(open_table(write_tsv(tmp_path / "t.tsv", rows, [*COLUMNS, "C"])))
    assert (stats.rows, stats.images, stats.rows_without_image) == (6, 2, 2)
    assert stats.width == Spread(low=10, p5=10, median=10, p95=30, high=30)
    assert stats.height == Spread(low=20, p5=20, median=20, p95=40, high=40)
    assert (stats.question_length.low, stats.question_length.high) == (4, 21)
    assert stats.options == {"2": 4, "1": 1, "3": 1}
    assert stats.answers == {"B": 3, "A": 2, "": 1}
    assert stats.categories == {"animals": 5, "plants": 1}
    assert stats.subcategories == {}


def test_many_answers_are_cut_and_the_rest_is_counted(tmp_path: Path):
    rows = [question(n, answer=f"a{n % 60:02d}") for n in range(70)]
    answers = describe(open_table(write_tsv(tmp_path / "t.tsv", rows))).answers
    assert len(answers) == 51
    assert (answers["a00"], answers["a10"], answers[OTHERS]) == (2, 1, 10)
    assert sum(answers.values()) == 70


def test_sizes_are_those_of_the_upright_picture(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 10)).save(tmp_path / "1.jpg", exif=exif)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.jpg", "prompt": "abc"}')
    stats = describe(open_table(tmp_path), {"question": "prompt"})
    assert (stats.width.low, stats.height.low) == (10, 40)
    assert open_table(tmp_path).images(0)[0].size == (10, 40)
    assert stats.question_length.low == 3


def test_a_table_of_text_alone_has_no_sizes(tmp_path: Path):
    (tmp_path / "t.csv").write_text("question,answer\nWhy?,Because\n")
    stats = describe(open_table(tmp_path / "t.csv"))
    assert (stats.width, stats.height, stats.images) == (None, None, 0)
    assert (stats.rows, stats.rows_without_image, stats.options) == (1, 1, {})


def test_wrong_roles_and_columns_are_named(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1)]))
    with pytest.raises(SpecError, match="'questions' is no role") as error:
        describe(table, {"questions": "question"})
    assert "did you mean 'question'" in error.value.remedy
    with pytest.raises(DataError, match="no column 'prompt'"):
        describe(table, {"question": "prompt"})


@given(
    values=st.lists(st.integers(0, 1000), min_size=1, max_size=60),
    share=st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]),
)
def test_quantiles_are_numpys_nearest_rank(values: list[int], share: float):
    expected = np.quantile(values, share, method="inverted_cdf")
    assert _quantile(Counter(values), share) == expected
