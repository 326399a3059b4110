"""Figures: right numbers at the right places, the same bytes each time, names that can't break."""

from __future__ import annotations

import itertools
import math
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from harness.cli.main import main
from harness.errors import BenchError, LedgerError, SpecError
from harness.leaderboard import build_table
from harness.plot import KINDS, Kind, PlotSettings, draw
from harness.plot.bars import draw_bars
from harness.plot.data import name_of
from harness.plot.pareto import draw_curve, draw_pareto
from harness.plot.radar import draw_radar
from harness.plot.saving import PALETTE, styled
from harness.plot.settings import WIDTHS
from harness.trades import front
from tests.plot.conftest import SKILLS, MakeRun

SKILL = PlotSettings(task="skills")
HOSTILE = r"$\frac{1}{0}$ <b>&\u202e" + "\u202eevil\n\x00" + "x" * 80


def _texts(figure: object) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def _fronted(*points: tuple[float, float]) -> list[tuple[float, float]]:
    return front(points, lambda point: point[0], lambda point: point[1])


def test_bars_stand_at_the_scores(make_run: MakeRun):
    runs = [make_run(6), make_run(12)]
    with styled():
        figure, notes = draw_bars(runs, SKILL)
    heights = [round(bar.get_height(), 6) for bar in figure.axes[0].patches]
    assert heights == [50.0] * 4 + [100.0] * 4
    assert notes == []
    assert {"run 0", "run 1", *SKILLS} <= set(_texts(figure))


def test_bars_have_the_intervals_of_the_table(make_run: MakeRun):
    run = make_run(6)
    cell = build_table([run]).rows[0].cells[0]
    with styled():
        figure, _ = draw_bars([run], PlotSettings())
    ends = [
        path.vertices[:, 1].tolist()
        for collection in figure.axes[0].collections
        for path in collection.get_paths()
    ]
    assert ends == [pytest.approx([100 * cell.value.low, 100 * cell.value.high])]


def test_a_score_without_interval_has_no_bar_of_error(make_run: MakeRun):
    run = make_run(6, limit=3)
    with styled():
        figure, _ = draw_bars([run], SKILL)
    drawn = [p.vertices for c in figure.axes[0].collections for p in c.get_paths()]
    known = [
        cell.value.low is not None for cell in build_table([run], all_metrics=True).rows[0].cells
    ]
    assert sum(bool(len(v)) and math.isfinite(v.sum()) for v in drawn) == sum(known[:4])


def test_tasks_that_are_no_fractions_are_named_and_left_out(make_run: MakeRun):
    run = make_run(names=("skills", "lengths"))
    with styled():
        figure, notes = draw_bars([run], PlotSettings())
    assert len(figure.axes[0].patches) == 1
    assert notes == ["lengths isn't between 0 and 1 and is left out"]


def test_protocols_stand_apart_and_are_named(make_run: MakeRun):
    runs = [make_run(6), make_run(6, seed=1)]
    with styled():
        figure, _ = draw_bars(runs, PlotSettings())
    texts = " ".join(_texts(figure))
    hashes = {c.protocol_hash for c in build_table(runs).columns}
    assert len(hashes) == 2
    assert len(figure.axes[0].patches) == 2
    assert texts.count("n/a") == 2
    assert "[seed 1]" in texts
    assert all(hash_ in texts.replace("\n", " ") for hash_ in hashes)


def test_radar_has_a_closed_line_for_each_run(make_run: MakeRun):
    with styled():
        figure, notes = draw_radar([make_run(6), make_run(3)], SKILL)
    lines = [line for line in figure.axes[0].lines if line.get_label().startswith("run")]
    assert [line.get_ydata().tolist() for line in lines] == [[50.0] * 4, [25.0] * 4]
    angles = lines[0].get_xdata()
    assert angles[0] == angles[-1]
    assert notes == []


def test_radar_needs_three_categories(make_run: MakeRun):
    with pytest.raises(SpecError, match="0 metrics of categories"):
        draw_radar([make_run(names=("lengths",))], PlotSettings(task="lengths"))


def test_pareto_has_a_point_for_each_run(make_run: MakeRun):
    runs = [
        make_run(right, seconds=seconds, batch_size=4)
        for right, seconds in ((6, 1), (12, 4), (3, 2))
    ]
    with styled():
        figure, notes = draw_pareto(runs, SKILL)
    step = next(line for line in figure.axes[0].lines if line.get_linestyle() == "--")
    assert step.get_xdata().tolist() == pytest.approx([1, 4])
    assert step.get_ydata().tolist() == pytest.approx([50, 100])
    assert notes == []


def test_pareto_says_which_times_do_not_compare(make_run: MakeRun, tmp_path: Path):
    runs = [make_run(4, batch_size=size) for size in (2, 4)]
    notes = draw("pareto", runs, tmp_path / "x.svg", PlotSettings(cost="seconds"))
    assert notes == [
        "times are of batches of different sizes and do not compare: 2 (run 0), 4 (run 1)"
    ]
    assert draw("pareto", runs, tmp_path / "y.svg", PlotSettings(cost="nfe")) == []


def test_pareto_leaves_out_who_does_not_know_the_cost(make_run: MakeRun):
    runs = [make_run(nfe=1), make_run(nfe=2), make_run(nfe=None)]
    settings = PlotSettings(task="skills", cost="nfe")
    with styled():
        _, notes = draw_pareto(runs, settings)
    assert notes == ["run 2 doesn't know function evaluations and is left out"]
    with pytest.raises(SpecError, match="1 of the runs know"), styled():
        draw_pareto([runs[0], runs[2]], settings)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1, 10), (2, 20), (3, 15)], [(1, 10), (2, 20)]),
        ([(1, 10), (1, 20)], [(1, 20)]),
        ([(2, 10), (1, 10)], [(1, 10)]),
        ([], []),
    ],
)
def test_fronts(points: list[tuple[float, float]], expected: list[tuple[float, float]]):
    assert _fronted(*points) == expected


def test_fronts_keep_exactly_who_is_not_beaten():
    """Against the definition, over every set of three points of a grid."""
    grid = list(itertools.product((1.0, 2.0, 3.0), (10.0, 20.0, 30.0)))
    for points in itertools.combinations(grid, 3):
        unbeaten = [
            (c, s)
            for c, s in points
            if not any((x <= c and y >= s) and (x, y) != (c, s) for x, y in points)
        ]
        assert _fronted(*points) == sorted(unbeaten)


def test_curves_join_runs_of_the_same_weights(make_run: MakeRun):
    runs = [
        make_run(right, nfe=nfe, weights=weights)
        for right, nfe, weights in ((9, 40, "a"), (3, 10, "a"), (6, 20, "a"), (6, 10, "b"))
    ]
    with styled():
        figure, _ = draw_curve(runs, SKILL)
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert lines == [[[10, 25], [20, 50], [40, 75]], [[10, 50]]]
    assert [line.get_label() for line in figure.axes[0].lines] == ["known a", "run 3"]


@pytest.mark.parametrize(
    ("kind", "ending"), [*((kind, "svg") for kind in KINDS), ("bars", "pdf"), ("radar", "png")]
)
def test_equal_runs_give_equal_bytes(make_run: MakeRun, tmp_path: Path, kind: str, ending: str):
    runs = [make_run(6, seconds=1, nfe=4), make_run(9, seconds=2, nfe=8)]
    files = [tmp_path / f"{n}.{ending}" for n in range(2)]
    for path in files:
        draw(kind, runs, path, SKILL)  # type: ignore[arg-type]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not re.search(rb"20\d\d-\d\d-\d\d|CreationDate", files[0].read_bytes())


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_are_as_wide_as_the_column(make_run: MakeRun, tmp_path: Path, width: str):
    draw("bars", [make_run()], tmp_path / "a.png", PlotSettings(width=width))  # type: ignore[arg-type]
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == pytest.approx(300 * WIDTHS[width], abs=1)


@pytest.mark.parametrize("kind", KINDS)
def test_names_from_outside_are_only_text(make_run: MakeRun, tmp_path: Path, kind: str):
    runs = [make_run(6, label=HOSTILE, seconds=1), make_run(9, label=HOSTILE + "!", seconds=2)]
    draw(kind, runs, tmp_path / "a.svg", SKILL)  # type: ignore[arg-type]
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_names_are_short_and_show_what_hides():
    assert name_of("a\u202eb\x00") == "a\\u202eb\\x00"
    assert name_of("plain name") == "plain name"
    assert len(name_of("x" * 500)) == 36


def test_the_note_can_be_left_out(make_run: MakeRun):
    run = make_run()
    with styled():
        figure, _ = draw_bars([run], PlotSettings(note=False))
    assert "95%" not in " ".join(_texts(figure))


def test_colours_differ_for_people_who_see_less_of_them():
    """Machado et al. 2009, severity 1: no two colours come closer than 12 in CIELAB."""
    seen = {
        "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "deuteranopia": (
            (0.367322, 0.860646, -0.227968),
            (0.280085, 0.672501, 0.047413),
            (-0.011820, 0.042940, 0.968881),
        ),
        "protanopia": (
            (0.152286, 1.052583, -0.204868),
            (0.114503, 0.786281, 0.099216),
            (-0.003882, -0.048116, 1.051998),
        ),
        "tritanopia": (
            (1.255528, -0.076749, -0.178779),
            (-0.078411, 0.930809, 0.147602),
            (0.004733, 0.691367, 0.303900),
        ),
    }
    for matrix in seen.values():
        labs = [
            _lab([sum(m * c for m, c in zip(row, _linear(p), strict=True)) for row in matrix])
            for p in PALETTE
        ]
        apart = [math.dist(a, b) for a, b in itertools.combinations(labs, 2)]
        assert min(apart) > 12


def _linear(colour: str) -> list[float]:
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def _lab(linear: list[float]) -> tuple[float, float, float]:
    from skimage.color import xyz2lab

    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    clipped = [min(max(v, 0.0), 1.0) for v in linear]
    xyz = [sum(m * c for m, c in zip(row, clipped, strict=True)) for row in rows]
    return tuple(xyz2lab([[xyz]])[0][0])


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("bars", PlotSettings(task="skils"), "skills"),
        ("pareto", PlotSettings(task="skills", metric="acuracy"), "accuracy"),
        ("pareto", PlotSettings(task="skills", cost="second"), "seconds"),
        ("pareto", PlotSettings(task="skills", metric="length"), "isn't between"),
        ("pareto", PlotSettings(), "--task"),
        ("bars", PlotSettings(task="lengths"), "no score between"),
    ],
)
def test_what_can_not_be_drawn(
    make_run: MakeRun, tmp_path: Path, kind: Kind, settings: PlotSettings, words: str
):
    runs = [make_run(names=("skills", "lengths")), make_run(names=("skills", "lengths"))]
    with pytest.raises(SpecError, match=words):
        draw(kind, runs, tmp_path / "a.svg", settings)
    assert not (tmp_path / "a.svg").exists()


def test_a_figure_of_one_score_does_not_mix_protocols(make_run: MakeRun, tmp_path: Path):
    runs = [make_run(), make_run(seed=1)]
    for kind in ("pareto", "curve", "radar"):
        with pytest.raises(SpecError, match="several protocols"):
            draw(kind, runs, tmp_path / "a.svg", SKILL)  # type: ignore[arg-type]


def test_wrong_files_are_named(make_run: MakeRun, tmp_path: Path):
    run = make_run()
    with pytest.raises(SpecError, match=r"\.jpg"):
        draw("bars", [run], tmp_path / "a.jpg")
    with pytest.raises(LedgerError, match="no folder"):
        draw("bars", [run], tmp_path / "no" / "a.svg")


def test_without_matplotlib_the_remedy_is_named(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = make_run()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BenchError, match=r"cheers-bench\[plots\]"):
        draw("bars", [run], tmp_path / "a.svg")


def test_the_command(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = make_run(names=("skills", "lengths"))
    with pytest.raises(SystemExit) as caught:
        main(["plot", "bars", str(run), "--out", str(tmp_path / "a.svg"), "--width", "double"])
    assert not caught.value.code
    said = capsys.readouterr().err
    assert "lengths isn't between 0 and 1" in said
    assert f"wrote {tmp_path / 'a.svg'}" in said


def test_styles_of_the_machine_are_neither_used_nor_changed(make_run: MakeRun, tmp_path: Path):
    import matplotlib as mpl

    run = make_run()
    draw("bars", [run], tmp_path / "a.svg")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        draw("bars", [run], tmp_path / "b.svg")
        assert mpl.rcParams["font.size"] == 30
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_versus_draws_the_two_runs(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    runs, out = [str(make_run()), str(make_run(label="other"))], tmp_path / "pareto.svg"
    with pytest.raises(SystemExit) as done:
        main(["versus", *runs, "--pareto", str(out), "--task", "skills"])
    assert not done.value.code
    assert "<svg" in out.read_text()
    assert "Measured here" in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main(["versus", "--pareto", str(out)])
    assert done.value.code
    assert "give one RUN of each model" in capsys.readouterr().err
