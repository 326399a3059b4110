"""`dpg-bench`: does an image show everything that a dense prompt says?

Rules and categories are those of ELLA's DPG-Bench (Hu et al., 2024); see `tasks.scoring.dpg`. The
judge is any registered model that answers questions; another judge is another protocol.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.data.hashing import git_blob_hash
from harness.records import (
    Capability,
    DatasetInfo,
    Identity,
    ImageDecoding,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Protocol,
    Response,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    Verdict,
)
from tasks.asked import AskedTask
from tasks.drawing import picture_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.dpg.questions import DPGItem
    from tasks.judges.vqa import Question, VQAJudge

__all__ = ["PRESETS", "DPGBench"]

PRESETS: dict[str, ImageDecoding] = {
    "none": ImageDecoding(),
    "cheers": ImageDecoding(cfg_scale=9.5, steps=250, alpha=0.5),
}
"""Decoding that a protocol demands: the model's own, or that of CHEERS' evaluation."""

_SCORERS = ("corrected", "legacy")
_SAVED = ("png", "jpeg")
_SHOWN = 40


class DPGBench(AskedTask["VQAJudge"]):
    """Draw dense prompts; a model answers yes-or-no questions about each image.

    An image scores the share of its questions that are answered yes, a question counting only if
    those that it depends on do. `overall` is the mean over images, as the original's.
    """

    metadata = TaskMetadata(
        name="dpg-bench",
        summary="DPG-Bench's dense prompts, judged by questions to a VQA model.",
        version=1,
        requires=frozenset({Capability.GENERATE_IMAGE}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name="dpg-bench",
            revision="TencentQQGYLab/ELLA",
            split="test",
            licence="Apache-2.0",
            source="dpg_bench.csv of ELLA's or CHEERS' repository",
        ),
        metrics=(
            MetricSpec(
                name="overall",
                score="score",
                description="Share of questions that count as yes, averaged over images.",
            ),
            MetricSpec(
                name="perfect",
                score="perfect",
                description="Images of which every question counts as yes.",
            ),
        ),
        protocol_id="dpg-bench",
        citation="Hu et al., ELLA: Equip Diffusion Models with LLM for Enhanced Semantic "
        "Alignment, arXiv 2403.05135, 2024.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "questions": "",
        "sha256": "",
        "images": 4,
        "judge": "",
        "judge_args": {},
        "judge_template": "{question}",
        "preset": "none",
        "scorer": "corrected",
        "saved_as": "png",
    }

    places = frozenset({"questions", "sha256", "judge", "judge_args", "preset"})
    file_option = "questions"
    file_kind = "question file"
    file_origin = "the dpg_bench.csv of ELLA's repository"
    judge_kind = "a model that answers questions"

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._decoding = PRESETS[self.one_of("preset", PRESETS)]
        self._legacy = self.one_of("scorer", _SCORERS) == "legacy"
        self._jpeg = self.one_of("saved_as", _SAVED) == "jpeg"

    def samples(self) -> Iterator[Sample]:
        """`images` samples of each prompt; the questions travel with them."""
        for item in self._items():
            target = msgspec.json.decode(msgspec.json.encode(list(item.questions)))
            for k in range(self.repeats()):
                yield Sample(id=item.name, k=k, target=target, data={"prompt": item.prompt})

    def scorer(self) -> Identity:
        """DPG-Bench's rules: as they are meant, or as the original script has them."""
        return Identity(
            id="dpg-bench",
            version="AI9Stars/Cheers@da1cb77",
            settings={"variant": str(self.options["scorer"])},
        )

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, named by its preset."""
        preset = str(self.options["preset"])
        name = f"dpg-bench/{'v1' if preset == 'none' else preset}"
        return msgspec.structs.replace(super().protocol(seed, limit), id=name)

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics; shares by level-1 and level-2 category are in `extra`."""
        from tasks.scoring.dpg import summarise_dpg

        rows = list(scored)
        if self._legacy:
            rows = list(_without_broken_items(rows))
        known = [row for row in rows if row.outcome.verdict.is_known]
        if self._legacy:  # the original's categories know an item's last picture alone
            known = [row for row in known if row.sample.k == self.repeats() - 1]
        summary = summarise_dpg([(_questions(row.sample), _image(row.outcome)) for row in known])
        return msgspec.structs.replace(
            super().aggregate(rows, protocol),
            extra={"l1": dict(summary.broad), "l2": dict(summary.categories)},
        )

    def _build_judge(self, model: str, template: str, args: Any) -> VQAJudge:
        from tasks.judges.vqa import VQAJudge

        return VQAJudge(model, template, args)

    def _ask(self, questions: Sequence[Question]) -> list[str]:
        return self._judge().ask(questions)

    def _questions(self, sample: Sample, response: Response) -> list[Question]:
        from tasks.judges.vqa import Question

        picture = picture_of(response)
        image = _through_jpeg(picture) if self._jpeg else picture
        return [Question(image, question.text) for question in _questions(sample)]

    def _outcome(self, sample: Sample, answers: Sequence[str]) -> Outcome:
        questions = _questions(sample)
        said = {q.number: answer for q, answer in zip(questions, answers, strict=True)}
        unclear = [] if self._legacy else [text for text in said.values() if not _is_clear(text)]
        if unclear:
            shown = unclear[0][:_SHOWN]
            return _failed(f"the judge answered {shown!r}, neither yes nor no")
        try:
            return _scored(questions, said, legacy=self._legacy)
        except KeyError as error:  # the original's reader skips the file's first question
            return _failed(f"question {error} wasn't asked, but another one depends on it")

    def _items(self) -> list[DPGItem]:
        from tasks.dpg.questions import read_items

        return read_items(self._path(), legacy=self._legacy)

    def _is_official(self, path: Path) -> bool:
        from tasks.dpg.questions import OFFICIAL_BLOB

        return git_blob_hash(path) == OFFICIAL_BLOB


def _questions(sample: Sample) -> Any:
    from tasks.scoring.dpg import DPGQuestion

    return msgspec.convert(sample.target, list[DPGQuestion])


def _without_broken_items(rows: Sequence[ScoredSample]) -> Iterator[ScoredSample]:
    """The rows, with all pictures of an item failed if one is: the original drops such an item."""
    broken = {row.sample.id for row in rows if row.outcome.verdict is Verdict.JUDGE_FAILED}
    for row in rows:
        if row.sample.id in broken and row.outcome.verdict.is_known:
            outcome = _failed("another picture of this item can't be judged")
            yield msgspec.structs.replace(row, outcome=outcome)
        else:
            yield row


def _failed(reason: str) -> Outcome:
    return Outcome(verdict=Verdict.JUDGE_FAILED, reason=reason)


def _scored(questions: Any, said: Mapping[int, str], *, legacy: bool) -> Outcome:
    from tasks.scoring.dpg import score_dpg_image

    image = score_dpg_image(questions, [said], legacy=legacy)
    denied = [q.text for q in questions if not image.answered[0][q.number]]
    perfect = image.score == 1
    return Outcome(
        verdict=Verdict.OK if perfect else Verdict.WRONG,
        reason="" if perfect else f"not yes: {denied[0]}",
        scores={"score": image.score, "perfect": float(perfect)},
        details={
            "answers": {str(number): text for number, text in said.items()},
            "yes": {str(number): value for number, value in image.answered[0].items()},
        },
    )


def _through_jpeg(image: Image) -> Image:
    """What is left of an image after JPEG with Pillow's defaults: quality 75, colour halved."""
    from PIL import Image as Images

    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG")
    with Images.open(buffer) as opened:
        opened.load()
        return opened


def _image(outcome: Outcome) -> Any:
    from tasks.scoring.dpg import DPGImage

    stored: Any = outcome.details["yes"]
    score = outcome.scores["score"]
    answered = {int(number): float(value) for number, value in stored.items()}
    return DPGImage(score=score, pictures=(score,), answered=(answered,))


def _is_clear(answer: str) -> bool:
    return answer.strip().rstrip(".").lower() in ("yes", "no")
