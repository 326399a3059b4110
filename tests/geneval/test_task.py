"""The tasks: protocols, judges, batches, completeness; and everything that mustn't leak in."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.errors import DataError, ProtocolMismatchError, RunFailedError, SpecError
from harness.leaderboard import build_table, render
from harness.records import Identity, Response, Sample
from harness.registry import suites, tasks
from harness.run import EngineSettings, execute, plan, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.geneval.judges import JudgeChoice
from tasks.geneval.metrics import SKILLS
from tasks.geneval.prompt_sets import LONG_SHA256
from tasks.geneval.prompts import OFFICIAL_SHA256
from tasks.geneval.task import GenEval, GenEvalLong
from tasks.scoring.geneval import ImageResult, summary_scores
from tests.geneval.fakes import (
    RECORDS,
    CodeColors,
    CodeDetector,
    code_image,
    detectors_module,
    installed,
    official_folder,
    outcomes_of,
    prompt_file,
    record,
    result_of,
    run_geneval,
)


def test_the_official_task_asks_2212_times():
    samples = list(GenEval().samples())
    assert len(samples) == 2212
    assert {sample.id for sample in samples} == {f"{i:05d}" for i in range(553)}
    assert [sample.k for sample in samples[:5]] == [0, 1, 2, 3, 0]
    assert {sample.category for sample in samples} == set(SKILLS)
    assert samples[0].data["prompt"] == "a photo of a bench"
    assert len({sample.cluster_id for sample in samples}) == 553


def test_protocols_of_short_long_and_own_prompts_differ(tmp_path: Path):
    mine = GenEval({"prompts": str(prompt_file(tmp_path))}).protocol(0)
    other = GenEval({"prompt_seed": 7, "prompts_per_skill": 5}).protocol(0)
    short, long = GenEval().protocol(0), GenEvalLong().protocol(0)
    assert [p.id.partition("/")[0] for p in (short, long, mine, other)] == [
        "geneval",
        "geneval-long",
        "geneval-file",
        "geneval (seed 7, n 5)",
    ]
    assert short.dataset.sha256 == OFFICIAL_SHA256
    assert long.dataset.sha256 == LONG_SHA256
    assert len({p.hash for p in (short, long, mine, other)}) == 4


def test_presets_are_protocols_with_their_decoding():
    script, readme = (
        GenEval({"preset": name}).protocol(0) for name in ("cheers-script", "cheers-readme")
    )
    assert script.id == "geneval/cheers-script"
    assert dict(script.decoding) == {"steps": 80, "cfg_scale": 9.5, "alpha": 1.0}
    assert dict(readme.decoding) == {"steps": 80, "cfg_scale": 9.5, "alpha": 0.5}
    assert GenEval().protocol(0).decoding == {}
    request = GenEval({"preset": "cheers-readme"}).request(next(GenEval().samples()), 5)
    assert (request.decoding.alpha, request.decoding.cfg_scale, request.seed) == (0.5, 9.5, 5)
    with pytest.raises(SpecError, match="unknown preset") as caught:
        GenEval({"preset": "cheers-scrpt"})
    assert "cheers-script" in str(caught.value)


def test_paths_devices_and_batches_are_no_part_of_the_protocol(tmp_path: Path):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        (place / "weights.safetensors").write_bytes(b"weights")
        prompt_file(place)
    hashes = {
        GenEval(
            {
                "prompts": str(place / "prompts.jsonl"),
                "detector_weights": str(place / "weights.safetensors"),
                "color_weights": str(place / "weights.safetensors"),
                "device": device,
                "judge_batch": batch,
            }
        )
        .protocol(0)
        .hash
        for place, device, batch in zip(places, ("cpu", "cuda"), (1, 64), strict=True)
    }
    assert len(hashes) == 1


def test_the_weights_hash_is_known_without_loading_them(tmp_path: Path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"one")
    options = {"detector_weights": str(file), "color_weights": "random:3"}
    before = GenEval(options).protocol(0)
    assert before.judge is not None
    assert before.judge.weights_sha256 is not None
    color: Any = before.judge.settings["color"]
    assert color["weights"] == "random:3"
    assert color["activation"] == "quickgelu"
    file.write_bytes(b"other")
    assert GenEval(options).protocol(0).hash != before.hash
    gelu = GenEval({**options, "color_judge": "clip-legacy-gelu"}).protocol(0)
    assert gelu.judge.settings["color"]["activation"] == "legacy-gelu"


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ({"detector": "mmdet", "color_judge": "none"}, "needs its weights", "detector_weights"),
        (
            {"detector_weights": "nobody/nothing", "color_judge": "none"},
            "nobody/nothing of detector 'transformers' aren't on this machine",
            "hf download",
        ),
        ({"detector": "yolo"}, "unknown detector 'yolo'", "transformers"),
        ({"color_judge": "clipp"}, "unknown color_judge 'clipp'", "'clip'"),
    ],
)
def test_what_scoring_lacks_is_said_before_anything_is_drawn(
    tmp_path: Path, options: dict[str, Any], said: str, remedy: str
):
    prompts = prompt_file(tmp_path)
    with pytest.raises((DataError, SpecError), match=said) as caught:
        run_geneval(tmp_path / "run", "null", None, prompts, **options)
    assert remedy in caught.value.remedy
    assert not (tmp_path / "run").exists()


def test_the_long_task_wants_its_file_before_it_starts(tmp_path: Path):
    spec = RunSpec(
        tasks=(TaskRef(task="geneval-long"),), model=ModelRef(name="null"), out=str(tmp_path / "r")
    )
    with pytest.raises(DataError, match="needs its prompt file"):
        execute(spec)


def test_a_prompt_file_with_a_class_that_the_detector_lacks(tmp_path: Path):
    prompts = prompt_file(tmp_path, [record("cow")])
    task = GenEval({"prompts": str(prompts), "detector": "classical"})
    with pytest.raises(SpecError, match=r"prompts\.jsonl, line 1: unknown class 'cow'"):
        list(task.samples())


def test_a_dry_run_loads_no_judge(tmp_path: Path):
    spec = RunSpec(
        tasks=(TaskRef(task="geneval"),), model=ModelRef(name="null"), out=str(tmp_path / "run")
    )
    (work,) = [w for w in plan(spec).tasks if w.task == "geneval"]
    assert (work.samples, work.images_out) == (2212, 2212)


def test_the_suite_has_geneval():
    entries = {entry.task for entry in suites().get("generation").entries}
    assert "geneval" in entries


def test_judges_are_built_once_and_scored_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    detector, colors, built = CodeDetector(), CodeColors(), []

    def build_detector(name: str, weights: str | None, device: str) -> CodeDetector:
        built.append((name, weights, device))
        return detector

    module = detectors_module(build_detector=build_detector)
    monkeypatch.setitem(sys.modules, "tasks.judges.detectors", module)
    monkeypatch.setattr("tasks.judges.colors.build_color_judge", lambda *_: colors)
    options = {
        "detector_weights": "random:0",
        "color_weights": "random:0",
        "device": "cpu",
        "judge_batch": 4,
    }
    folder = official_folder(tmp_path / "images")
    result = run_geneval(tmp_path / "run", "recorded", folder, prompt_file(tmp_path), **options)
    assert result.verdicts == {"ok": 10}
    assert built == [("transformers", "random:0", "cpu")]
    assert detector.batches == [4, 4, 2]
    assert colors.calls == [4]


def test_a_judge_with_other_weights_than_the_protocol_says_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Other(CodeDetector):
        def identity(self) -> Identity:
            return Identity(id="other", version="1", weights_sha256="0" * 64)

    module = detectors_module(build_detector=lambda *_: Other())
    monkeypatch.setitem(sys.modules, "tasks.judges.detectors", module)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"w")
    options = {"detector_weights": str(weights), "color_judge": "none", "device": "cpu"}
    folder = official_folder(tmp_path / "images")
    with pytest.raises(ProtocolMismatchError, match="judge 'other' has weights 000"):
        run_geneval(tmp_path / "run", "recorded", folder, prompt_file(tmp_path), **options)
    assert outcomes_of(tmp_path / "run")["00000#0"][0] == "missing"  # no verdict was given


class Broken(CodeDetector):
    """Fails on images that show cows, wherever they are in a batch."""

    def detect(self, images: Any) -> Any:
        if any(image[0, 0, 0] == code_image("cow").getpixel((0, 0))[0] for image in images):
            raise RuntimeError("the detector is out of cows")
        return super().detect(images)


def test_a_judge_that_fails_on_one_image_fails_on_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, prompts = official_folder(tmp_path / "images"), prompt_file(tmp_path)
    with installed(monkeypatch, Broken(), CodeColors()):
        result = run_geneval(tmp_path / "run", "recorded", folder, prompts)
    assert result.verdicts == {"ok": 8, "judge_failed": 2}
    verdict, reason = outcomes_of(tmp_path / "run")["00000#1"]
    assert verdict == "judge_failed"
    assert "out of cows" in reason
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        rescore(tmp_path / "run")
    assert result_of(tmp_path / "run").verdicts == {"ok": 10}


def test_a_judge_that_cannot_be_loaded_keeps_old_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, prompts = official_folder(tmp_path / "images"), prompt_file(tmp_path)
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        before = run_geneval(tmp_path / "run", "recorded", folder, prompts)

    def broken(_: JudgeChoice) -> None:
        raise OSError("no such GPU")

    monkeypatch.setattr(JudgeChoice, "build", broken)
    with pytest.raises(RunFailedError, match="no such GPU"):
        rescore(tmp_path / "run")
    assert result_of(tmp_path / "run") == before


def _pairs(records: list[dict[str, Any]], right: list[bool]) -> list[tuple[Sample, Response]]:
    return [
        (
            Sample(id=f"{i:05d}", category=r["tag"], target=r, data={"prompt": r["prompt"]}),
            Response(image=code_image(r["include"][0]["class"], r["include"][0]["count"] * ok)),
        )
        for i, (r, ok) in enumerate(zip(records, right, strict=True))
    ]


def test_totals_are_those_of_the_originals_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = official_folder(tmp_path / "images", images=3)
    for wrong in ("00000/samples/00001", "00002/samples/00000", "00003/samples/00002"):
        Image.new("RGB", (32, 32)).save(folder / f"{wrong}.png")
    for k in range(3):
        Image.new("RGB", (32, 32)).save(folder / f"00001/samples/{k:05d}.png")
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        result = run_geneval(tmp_path / "run", "recorded", folder, prompt_file(tmp_path), images=3)
    tags = {f"{i:05d}": r["tag"] for i, r in enumerate(RECORDS)}
    found = outcomes_of(tmp_path / "run")
    summary = summary_scores(
        ImageResult(tag=tags[key[:5]], prompt=key[:5], correct=verdict == "ok")
        for key, (verdict, _) in found.items()
    )
    values = {metric.name: metric.value for metric in result.metrics}
    assert values["overall"] == pytest.approx(summary.overall)
    assert values["image_accuracy"] == pytest.approx(summary.image_accuracy)
    assert values["prompt_accuracy"] == pytest.approx(summary.prompt_accuracy)
    for skill, score in summary.task_scores.items():
        assert values[skill] == pytest.approx(score)
    assert "two_object, position, color_attr" in result.notes[0]


def test_details_say_what_was_seen(monkeypatch: pytest.MonkeyPatch):
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        (outcome,) = GenEval().score_batch(_pairs([record("bus", color=True)], [True]))
    (seen,) = outcome.details["detections"]
    assert seen["class"] == "bus"
    assert seen["color"] == "red"
    assert seen["box"] == [0, 0, 3, 3]
    assert json.dumps(outcome.details)


def test_a_table_says_incomplete_with_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = official_folder(tmp_path / "images")
    (folder / "00000" / "samples" / "00001.png").unlink()
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        run_geneval(tmp_path / "run", "recorded", folder, prompt_file(tmp_path))
    from harness.cli.results import results_table

    text = render(build_table([tmp_path / "run"]), "md")
    assert "incomplete (9/10), bounds 91.7 to 100.0" in text
    shown = results_table(tmp_path / "run")
    assert "incomplete (9/10), 9 ok, 1 missing" in shown
    assert "bounds [0.9167, 1]" in shown


def test_short_and_long_never_share_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, prompts = official_folder(tmp_path / "images"), prompt_file(tmp_path)
    long = prompts.with_name("long.jsonl")
    long.write_text("".join(json.dumps({**r, "prompt": r["prompt"] + "!"}) + "\n" for r in RECORDS))
    other = official_folder(
        tmp_path / "long", [json.loads(x) for x in long.read_text().splitlines()]
    )
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        run_geneval(tmp_path / "a", "recorded", folder, prompts)
        run_geneval(tmp_path / "b", "recorded", other, long)
    table = build_table([tmp_path / "a", tmp_path / "b"])
    assert len(table.columns) == 2
    assert all(sum(cell.status is not None for cell in row.cells) == 1 for row in table.rows)


def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def peak(count: int) -> int:
        root = tmp_path / str(count)
        records = [{**RECORDS[0], "prompt": f"cow {i}"} for i in range(count)]
        root.mkdir()
        folder = official_folder(root / "images", records, images=1)
        spec = RunSpec(
            tasks=(
                TaskRef(
                    task="geneval",
                    options={"prompts": str(prompt_file(root, records)), "images": 1},
                ),
            ),
            model=ModelRef(name="recorded", args={"path": str(folder)}),
            out=str(root / "run"),
        )
        settings = EngineSettings(page=16, score_batch=8, encoder_queue=4)
        tracemalloc.start()
        execute(spec, settings=settings)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result_of(root / "run").verdicts == {"ok": count}
        return size

    with installed(monkeypatch, CodeDetector(), CodeColors()):
        peak(4)  # imports
        few, many = peak(40), peak(240)
    assert many < few + 200 * 1500  # names and columns of numbers, never a picture (3 kB each)


def test_tasks_are_registered_under_their_names():
    for name in ("geneval", "geneval-long"):
        assert tasks().get(name).metadata.name == name


def test_requests_are_bare_prompts():
    sample = next(GenEval().samples())
    assert isinstance(sample.target, Mapping)
    assert GenEval().request(sample, 1).prompt == sample.target["prompt"]
