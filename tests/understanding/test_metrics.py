"""Numbers of whole benchmarks against the originals' totals and against plain counting."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness.records import Sample
from tasks.scoring.mme import MMEAnswer, mme_report
from tasks.scoring.mmstar import mmstar_report
from tasks.scoring.yesno import binary_scores
from tests.understanding.answering import Answering, gold_text
from tests.understanding.conftest import Ran, RunTask
from tests.understanding.synthetic import BENCHMARKS, write_rows


def mostly(share: float, other: dict[str, str]) -> Answering:
    """Right with a chance of `share`, by the sample's name alone; else something else."""

    def say(task: str, sample: Sample) -> str:
        gold = gold_text(task, sample)
        right = random.Random(f"{task}{sample.key}").random() < share
        return gold if right else other.get(gold, "Z")

    return Answering(say)


LETTERS = {"A": "B", "B": "C", "C": "D", "D": "A"}
WORDS = {"yes": "no", "no": "yes"}


def corrects(ran: Ran) -> dict[tuple[str, int], bool]:
    return {
        (e.sample.id, e.sample.k): bool(e.outcome and e.outcome.scores["correct"])
        for e in ran.entries
    }


def test_mmbench_counts_questions_with_all_rotations_right(run_task: RunTask):
    ran = run_task("mmbench", mostly(0.9, LETTERS), count=40)
    right = corrects(ran)
    whole = [all(right[str(i), k] for k in range(4)) for i in range(40)]
    assert 0 < sum(whole) < 40
    assert ran.values["circular"] == pytest.approx(sum(whole) / 40)
    assert ran.values["accuracy"] == pytest.approx(sum(right.values()) / 160)
    assert ran.values["vanilla"] == pytest.approx(sum(right[str(i), 0] for i in range(40)) / 40)


@pytest.mark.parametrize("letter", "ABCD")
def test_a_favourite_letter_passes_no_circle(letter: str, run_task: RunTask):
    ran = run_task("mmbench", Answering(lambda task, sample: letter))
    assert ran.values["circular"] == 0
    assert ran.values["accuracy"] == pytest.approx(1 / 4)


def test_rotations_are_neighbours_and_share_their_picture(run_task: RunTask):
    model = Answering()
    ran = run_task("mmbench", model)
    keys = [entry.sample.key for entry in ran.entries]
    assert keys == [f"{i}#{k}" for i in range(8) for k in range(4)]
    pictures = [request.images[0].tobytes() for request in model.asked]  # type: ignore[union-attr]
    assert len(set(pictures)) == 8


def test_mmstar_is_the_originals_report(run_task: RunTask):
    ran = run_task("mmstar", mostly(0.6, LETTERS), count=60)
    rows = [
        (
            str(e.sample.category),
            str(e.sample.data["levels"]["l2_category"]),  # type: ignore[index,call-overload]
            bool(e.outcome and e.outcome.scores["correct"]),
        )
        for e in ran.entries
    ]
    report = mmstar_report(rows)
    assert ran.values["accuracy"] == pytest.approx(report.accuracy)
    by_category: dict[str, list[bool]] = {}
    for category, _, right in rows:
        by_category.setdefault(category, []).append(right)
    means = [sum(group) / len(group) for group in by_category.values()]
    assert ran.values["mean_of_categories"] == pytest.approx(sum(means) / len(means))


def test_pope_pools_each_question_once_for_each_of_its_subsets(run_task: RunTask):
    ran = run_task("pope", mostly(0.7, WORDS), count=60)
    pairs: list[Any] = []
    by_subset: dict[str, list[Any]] = {}
    for entry in ran.entries:
        assert entry.outcome is not None
        said = entry.outcome.details.get("said")
        pairs.append((entry.sample.target, said))
        by_subset.setdefault(str(entry.sample.category), []).append(pairs[-1])
    assert len(pairs) == 30 * 3 + 30
    scores = binary_scores(pairs)
    for name in ("f1", "accuracy", "precision", "recall", "yes_ratio"):
        assert ran.values[name] == pytest.approx(getattr(scores, name)), name
    for name, group in by_subset.items():
        assert ran.values[f"f1_{name}"] == pytest.approx(binary_scores(group).f1)
    low, high = ran.result.metrics[0].low, ran.result.metrics[0].high
    assert low is not None
    assert high is not None
    assert low < scores.f1 < high


def test_popes_unread_answers_are_no_misses_by_lmms_evals_rule(run_task: RunTask):
    ran = run_task("pope", mostly(0.5, {"yes": "Yes."}), count=60, extraction="lmms-eval")
    pairs: list[Any] = [
        (e.sample.target, e.outcome.details.get("said")) for e in ran.entries if e.outcome
    ]
    scores = binary_scores(pairs, recall_over="parsed")
    assert scores.unparsed > 0
    assert scores.f1 > binary_scores(pairs).f1
    for name in ("f1", "accuracy", "precision", "recall"):
        assert ran.values[name] == pytest.approx(getattr(scores, name)), name


@pytest.mark.parametrize(("share", "total"), [(0.0, 0.0), (1.0, 2800.0)])
def test_mme_has_an_interval_where_all_pictures_are_alike(
    share: float, total: float, run_task: RunTask
):
    metric = run_task("mme", mostly(share, WORDS)).result.metrics[0]
    assert (metric.value, metric.clusters) == (total, 28)
    assert metric.low is not None
    assert metric.high is not None
    assert metric.high - metric.low > 100, "28 pictures don't make sure of it"
    assert metric.low <= total <= metric.high


def test_mme_is_the_originals_report(run_task: RunTask):
    ran = run_task("mme", mostly(0.7, WORDS), count=48)
    answers = [
        MMEAnswer(
            category=str(e.sample.category),
            image=e.sample.cluster_id,
            truth=e.sample.target,  # type: ignore[arg-type]
            said=e.outcome.details.get("said") if e.outcome else None,  # type: ignore[arg-type]
        )
        for e in ran.entries
    ]
    report = mme_report(answers)
    assert report.perception is not None
    assert report.cognition is not None
    assert ran.values["perception"] == pytest.approx(report.perception)
    assert ran.values["cognition"] == pytest.approx(report.cognition)
    assert ran.values["total"] == pytest.approx(report.perception + report.cognition)
    points: Any = ran.result.extra["categories"]
    for name, figures in report.per_category.items():
        assert points["category"][name]["value"] == pytest.approx(figures.score)


def test_ocrbench_is_a_total_with_an_interval(run_task: RunTask):
    ran = run_task("ocrbench", mostly(0.5, {}), count=40)
    total = ran.result.metrics[0]
    right = sum(bool(e.outcome and e.outcome.scores["score"]) for e in ran.entries)
    assert total.value == right
    assert total.low is not None
    assert total.high is not None
    assert 0 < total.low < right < total.high < 40


def test_textvqa_gives_a_third_for_each_agreement(run_task: RunTask, tmp_path: Any):
    from tests.understanding.synthetic import BENCHMARKS, write_rows

    rows = list(BENCHMARKS["textvqa"](2))
    rows[0]["answer"] = str(["stop"] * 2 + ["halt"] * 8)
    file = write_rows(tmp_path / "textvqa.tsv", rows)
    ran = run_task("textvqa", Answering(lambda task, sample: "stop"), file=file)
    assert ran.entries[0].outcome is not None
    assert ran.entries[0].outcome.scores["score"] == pytest.approx(0.6)  # leave one out: 2 * 1/3...
    assert ran.result.metrics[0].clusters == 1, "both questions are on one photo"


@pytest.mark.parametrize(
    ("scorer", "value"), [("corrected", 0.0), ("legacy", 1.0)], ids=["corrected", "legacy"]
)
def test_chartqa_has_both_rules(scorer: str, value: float, run_task: RunTask, tmp_path: Any):
    from tests.understanding.synthetic import BENCHMARKS, write_rows

    rows = [{**row, "answer": "100"} for row in BENCHMARKS["chartqa"](2)]
    file = write_rows(tmp_path / "chartqa.tsv", rows)
    ran = run_task("chartqa", Answering(lambda *_: "105.2"), file=file, scorer=scorer)
    assert ran.values == {"relaxed_accuracy": value, "human": value, "augmented": value}


def test_mmmu_scores_open_answers_by_two_rules(run_task: RunTask):
    def say(task: str, sample: Sample) -> str:
        return "The answer is 2" if sample.data.get("open") else gold_text(task, sample)

    assert run_task("mmmu", Answering(say)).verdicts == {"ok": 7}
    other = run_task("mmmu", Answering(say), open_answers="vlmevalkit")
    assert other.verdicts == {"ok": 7}
    lost = run_task("mmmu", Answering(lambda t, s: "12" if s.data.get("open") else "Z"))
    assert lost.verdicts == {"wrong": 7}


def test_mmmu_takes_one_split(run_task: RunTask):
    assert run_task("mmmu", split="dev").verdicts == {"ok": 1}


def test_the_open_rules_of_mmmu_go_by_their_names(run_task: RunTask):
    """lmms-eval's pipeline compares single characters and accepts no open answer."""
    rules = {}
    for rule in ("mmmu", "lmms-eval", "vlmevalkit"):
        ran = run_task("mmmu", open_answers=rule)
        rules[rule] = {e.sample.id: e.outcome.verdict.value for e in ran.entries if e.outcome}["2"]
    assert rules == {"mmmu": "ok", "lmms-eval": "wrong", "vlmevalkit": "ok"}


@pytest.mark.parametrize("task", ["ai2d", "seedbench", "docvqa", "mathvista"])
def test_questions_on_one_picture_are_one_cluster(task: str, run_task: RunTask, tmp_path: Path):
    """Rows 1 to 3 refer to row 0, as VLMEvalKit's files do to save space."""
    rows = list(BENCHMARKS[task](8))
    for row in rows[1:4]:
        row["image"] = "0"
    ran = run_task(task, file=write_rows(tmp_path / "shared.tsv", rows))
    assert [e.sample.cluster_id for e in ran.entries] == [*"0000", *"4567"]
    assert (ran.result.metrics[0].n, ran.result.metrics[0].clusters) == (8, 5)
