"""Tasks whose samples differ in everything that could leak from one into another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    EditImageRequest,
    GenerateImageRequest,
    Identity,
    ImageDecoding,
    LogLikelihoodRequest,
    MetricSpec,
    Modality,
    Outcome,
    Request,
    Response,
    Sample,
    TaskMetadata,
    TextDecoding,
    Verdict,
)
from harness.task import Task
from tasks.probes.inputs import picture

WORDS = ("a", "red circle", "what is it?", "two blue squares on a table, please")
SIZES = ((24, 24), (40, 16), (9, 33))


def metadata(name: str, capability: Capability) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        summary="Mixed requests.",
        version=1,
        requires=frozenset({capability}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(name="mixed", revision="1", split="test", licence="CC0-1.0"),
        metrics=(MetricSpec(name="score", score="score"),),
        protocol_id=f"{name}/v1",
        citation="none",
    )


def images(i: int, count: int) -> tuple[Image.Image, ...]:
    return tuple(picture(10 * i + n, *SIZES[(i + n) % 3]) for n in range(count))


class Mixed(Task):
    """Prompts of four lengths."""

    count = 18

    def samples(self) -> Iterator[Sample]:
        return (Sample(id=f"s{i}", data={"i": i}) for i in range(self.count))

    def request(self, sample: Sample, seed: int) -> Request:
        i = sample.data["i"]
        return self.build(i, WORDS[i % 4] + "!" * (i % 5), seed)

    def build(self, i: int, prompt: str, seed: int) -> Request:
        raise NotImplementedError

    def score(self, sample: Sample, response: Response) -> Outcome:
        return Outcome(verdict=Verdict.OK, scores={"score": 1.0})

    def scorer(self) -> Identity:
        return Identity(id="mixed", version="1")

    def prompt_template(self) -> str:
        return "mixed"


class Answers(Mixed):
    """No, one or two pictures of three sizes; greedy, sampled and short answers."""

    metadata = metadata("mixed-answers", Capability.ANSWER)
    decodings = (
        TextDecoding(max_new_tokens=8),
        TextDecoding(max_new_tokens=8, temperature=0.9, top_p=0.9),
        TextDecoding(max_new_tokens=3),
    )

    def build(self, i: int, prompt: str, seed: int) -> Request:
        return AnswerRequest(
            prompt=prompt, images=images(i, i % 3), decoding=self.decodings[i // 6], seed=seed
        )


class Drawings(Mixed):
    """With and without guidance, of two numbers of steps."""

    metadata = metadata("mixed-drawings", Capability.GENERATE_IMAGE)
    decodings = (ImageDecoding(), ImageDecoding(cfg_scale=1.0), ImageDecoding(steps=2, alpha=1.0))

    def build(self, i: int, prompt: str, seed: int) -> Request:
        return GenerateImageRequest(prompt=prompt, decoding=self.decodings[i // 6], seed=seed)


class Edits(Mixed):
    """Sources of three sizes."""

    metadata = metadata("mixed-edits", Capability.EDIT_IMAGE)
    count = 9

    def build(self, i: int, prompt: str, seed: int) -> Request:
        (source,) = images(i, 1)
        return EditImageRequest(prompt=prompt, image=source, seed=seed)


class Likelihoods(Mixed):
    """Two to four continuations of different lengths."""

    metadata = metadata("mixed-likelihoods", Capability.LOGLIKELIHOOD)

    def build(self, i: int, prompt: str, seed: int) -> Request:
        return LogLikelihoodRequest(
            prompt=prompt, images=images(i, i % 2), continuations=WORDS[: 2 + i % 3], seed=seed
        )


TASKS: Sequence[type[Any]] = (Answers, Drawings, Edits, Likelihoods)
