"""Suites: the embedded tasks, and benchmarks of both directions."""

from __future__ import annotations

from harness.records import JsonValue, Suite, SuiteEntry

__all__ = [
    "GENERATION",
    "PAPER",
    "PAPER_CORRECTED",
    "PAPER_LONG",
    "PAPER_LONG_README",
    "PAPER_README",
    "SHAPES",
    "SMOKE",
    "UNDERSTANDING",
]

SMOKE = Suite(
    name="smoke",
    summary="Every embedded task, small: minutes for a small model on two CPU cores.",
    entries=(
        SuiteEntry(task="shapes-geneval", options={"prompts": 10, "images": 2}),
        SuiteEntry(task="shapes-mmbench", options={"questions": 100}),
        SuiteEntry(task="shapes-ocr", options={"words": 100}),
        SuiteEntry(task="shapes-edit", options={"edits": 40}),
        SuiteEntry(task="easy-vqa", options={"questions": 500}),
        SuiteEntry(task="reconstruction", options={"images": 20}),
        SuiteEntry(task="probe-tokens"),
        SuiteEntry(
            task="probe-latency",
            options={"rounds": 5, "batch_rounds": 2, "batch_sizes": [1, 4], "warmup": 1},
        ),
    ),
)

SHAPES = Suite(
    name="shapes",
    summary="The whole embedded suite: 240 prompts x 4 images, all of easy-VQA's test split.",
    entries=(
        SuiteEntry(task="shapes-geneval"),
        SuiteEntry(task="shapes-mmbench"),
        SuiteEntry(task="shapes-ocr"),
        SuiteEntry(task="shapes-edit"),
        SuiteEntry(task="shapes-cycle"),
        SuiteEntry(task="easy-vqa"),
        SuiteEntry(task="reconstruction"),
        SuiteEntry(task="probe-tokens"),
        SuiteEntry(task="probe-latency"),
    ),
)

GENERATION = Suite(
    name="generation",
    summary="Text to image: GenEval, DPG-Bench, GenEval 2, and text in pictures.",
    entries=(
        SuiteEntry(task="geneval"),
        SuiteEntry(task="dpg-bench"),
        SuiteEntry(task="geneval2"),
        SuiteEntry(task="text-rendering"),
        SuiteEntry(task="ocr-roundtrip"),
    ),
)

UNDERSTANDING = Suite(
    name="understanding",
    summary="Published benchmarks of understanding: MMBench, OCR suites and the rest.",
    entries=tuple(
        SuiteEntry(task=name)
        for name in (
            "mmbench",
            "mmstar",
            "seedbench",
            "ai2d",
            "scienceqa",
            "realworldqa",
            "mmmu",
            "mathvista",
            "pope",
            "mme",
            "ocrbench",
            "textvqa",
            "docvqa",
            "infovqa",
            "chartqa",
        )
    ),
)

_WRAPPER = {"extraction": "cheers-wrapper"}

PAPER = Suite(
    name="paper",
    summary="CHEERS' table by its official evaluation: its prompts, extraction and legacy scorers.",
    entries=(
        SuiteEntry(task="seedbench", options=_WRAPPER),
        SuiteEntry(task="mmstar", options={"extraction": "cheers-wrapper-mmstar"}),
        SuiteEntry(task="mmbench", options=_WRAPPER),
        SuiteEntry(task="pope", options=_WRAPPER),
        SuiteEntry(task="realworldqa", options=_WRAPPER),
        SuiteEntry(task="mmmu", options={**_WRAPPER, "open_answers": "vlmevalkit"}),
        SuiteEntry(task="scienceqa", options=_WRAPPER),
        SuiteEntry(task="ai2d", options=_WRAPPER),
        SuiteEntry(task="mathvista", options={"scorer": "official"}),
        SuiteEntry(task="ocrbench"),
        SuiteEntry(task="textvqa"),
        SuiteEntry(task="chartqa", options={"scorer": "legacy"}),
        SuiteEntry(task="geneval", options={"preset": "cheers-script"}),
        SuiteEntry(
            task="dpg-bench",
            options={"preset": "cheers", "scorer": "legacy", "saved_as": "jpeg"},
        ),
    ),
    variants=("paper-readme", "paper-long", "paper-long-readme"),
)
"""The tasks of the official evaluation's scripts (AI9Stars/Cheers at commit da1cb77)."""

PAPER_README = Suite(
    name="paper-readme",
    summary="CHEERS' GenEval with its README's alpha of 0.5; the suite paper has the script's 1.0.",
    entries=(SuiteEntry(task="geneval", options={"preset": "cheers-readme"}),),
)

PAPER_LONG = Suite(
    name="paper-long",
    summary="CHEERS' GenEval with the rewritten prompts, by its script: alpha 1.0.",
    entries=(
        SuiteEntry(
            task="geneval-long", options={"preset": "cheers-script"}, published_as="geneval"
        ),
    ),
)

PAPER_LONG_README = Suite(
    name="paper-long-readme",
    summary="CHEERS' GenEval with the rewritten prompts and its README's alpha of 0.5.",
    entries=(
        SuiteEntry(
            task="geneval-long", options={"preset": "cheers-readme"}, published_as="geneval"
        ),
    ),
)
"""CHEERS' evaluation has both prompt sets, script and README differ in alpha, and no account of its
table says which of the four it is."""

_CORRECTED: dict[str, dict[str, JsonValue]] = {
    "mathvista": {"scorer": "corrected"},
    "chartqa": {"scorer": "corrected"},
    "dpg-bench": {"scorer": "corrected"},
    "mmmu": {"extraction": "exact", "open_answers": "mmmu"},
}


def _corrected(entry: SuiteEntry) -> SuiteEntry:
    """The entry with every choice of scoring at the corrected rule; what is asked stays."""
    rules = _CORRECTED.get(entry.task, {"extraction": "exact"} if entry.options else {})
    return SuiteEntry(task=entry.task, options={**entry.options, **rules})


PAPER_CORRECTED = Suite(
    name="paper-corrected",
    summary="The suite paper's questions and pictures, scored by the corrected rules.",
    entries=tuple(
        entry if entry.task == "geneval" else _corrected(entry) for entry in PAPER.entries
    ),
)
"""`cheers-bench score RUN --suite paper-corrected` scores a run of `paper` by it."""
