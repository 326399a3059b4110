"""`easy-vqa`: the public easy-VQA test split, real data that nobody here made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.errors import DataError
from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    TextDecoding,
    Verdict,
)
from harness.task import Task

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EasyVQA", "check_data", "data_sha256", "open_picture"]

_SHA256 = "13763999cc046dc1a958c330024b9aa138c964ea00d54ed257089c8c96499bbc"
_DECODING = TextDecoding(max_new_tokens=16)
_TYPES = ("color", "shape", "yes-no")


class EasyVQA(Task):
    """9,673 questions about 1,000 pictures of 64 x 64 pixels, 13 possible answers."""

    metadata = TaskMetadata(
        name="easy-vqa",
        summary="easy-VQA, test split: short questions about one coloured shape.",
        version=1,
        requires=frozenset({Capability.ANSWER}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(
            name="easy-vqa",
            revision="1.0",
            split="test",
            licence="MIT",
            sha256=_SHA256,
            source="PyPI package easy-vqa",
        ),
        metrics=(
            MetricSpec(name="accuracy", score="correct", description="Right answers."),
            *(
                MetricSpec(
                    name=f"accuracy_{name}",
                    score="correct",
                    category=name,
                    description=f"Right answers among {name} questions.",
                )
                for name in _TYPES
            ),
        ),
        protocol_id="easy-vqa/test",
        citation="Zhou, easy-VQA, 2019, https://github.com/vzhou842/easy-VQA",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"questions": None}

    def samples(self) -> Iterator[Sample]:
        """All questions, or `questions` of them spread evenly over the split.

        Raises:
            DataError: The package's files aren't those of version 1.0.
        """
        import easy_vqa

        check_data()
        questions, answers, images = easy_vqa.get_test_questions()
        wanted = None if self.options["questions"] is None else self.whole("questions", 1)
        for index in _spread(len(questions), wanted):
            yield Sample(
                id=f"{index:05d}",
                cluster=f"image-{images[index]}",
                category=_question_type(answers[index]),
                target=answers[index],
                data={"question": questions[index], "image": images[index]},
            )

    def request(self, sample: Sample, seed: int) -> AnswerRequest:
        """Picture and the bare question."""
        return AnswerRequest(
            prompt=str(sample.data["question"]),
            images=(open_picture(int(str(sample.data["image"]))),),
            decoding=_DECODING,
            seed=seed,
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Closed vocabulary: the one entry that the answer names."""
        from tasks.scoring.vqa import judge_closed

        verdict = Verdict(judge_closed(response.text or "", str(sample.target), _vocabulary()))
        reasons = {
            Verdict.OK: "",
            Verdict.WRONG: f"the answer is {sample.target}",
            Verdict.UNPARSED: "the answer names none of the 13 answers, or several",
        }
        return Outcome(
            verdict=verdict,
            reason=reasons[verdict],
            scores={"correct": float(verdict is Verdict.OK)},
        )

    def scorer(self) -> Identity:
        """Exact match in a closed vocabulary; what names no entry scores 0 and is counted apart."""
        return Identity(id="closed-vocabulary", version="1")

    def prompt_template(self) -> str:
        """The question alone."""
        return "{question}"

    def decoding(self) -> Mapping[str, JsonValue]:
        """Greedy, at most 16 tokens."""
        return {"temperature": 0.0, "max_new_tokens": _DECODING.max_new_tokens}


def data_sha256() -> str:
    """SHA-256 over names and bytes of the test split's files."""
    import hashlib

    total = hashlib.sha256()
    root = _root()
    for path in [root / "answers.txt", *sorted((root / "test").rglob("*.*"))]:
        total.update(f"{path.relative_to(root).as_posix()}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


@lru_cache(maxsize=1)
def check_data() -> None:
    """Compare the test split's files with those of version 1.0; a second call costs nothing.

    Raises:
        DataError: They differ.
    """
    found = data_sha256()
    if found != _SHA256:
        raise DataError(
            f"easy-vqa: the files in {_root()} have sha256 {found}, expected {_SHA256}",
            "install the package anew: pip install --force-reinstall easy-vqa==1.0",
        )


def _root() -> Path:
    import easy_vqa

    return Path(str(easy_vqa.__file__)).parent / "data"


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[str, ...]:
    import easy_vqa

    return tuple(sorted(easy_vqa.get_answers()))


@lru_cache(maxsize=64)
def open_picture(number: int) -> Image:
    """Picture of the test split by its number, RGB, 64 x 64 pixels."""
    from PIL import Image as PILImage

    with PILImage.open(_root() / "test" / "images" / f"{number}.png") as image:
        return image.convert("RGB")


def _question_type(answer: str) -> str:
    if answer in ("yes", "no"):
        return "yes-no"
    return "shape" if answer in ("circle", "rectangle", "triangle") else "color"


def _spread(total: int, wanted: int | None) -> Iterator[int]:
    """`wanted` indices spread evenly over `total`; all for `None`."""
    count = total if wanted is None else min(total, wanted)
    return (i * total // count for i in range(count))
