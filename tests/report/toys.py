"""Tasks and models whose outcomes are known, hostile ones among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from PIL import Image

from harness.adapter import ModelAdapter
from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    Fingerprint,
    GenerateImageRequest,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    ModelCard,
    Outcome,
    Request,
    Response,
    Sample,
    TaskMetadata,
    Timing,
    Usage,
    Verdict,
)
from harness.task import Task

BIDI = "\u202egnp.exe\u202c"
SCRIPT = "</script><script>globalThis.pwned=1</script><img src=x onerror=globalThis.pwned=1>"
MEGABYTE = "x" * 1_000_000
ANSWERS = (SCRIPT, BIDI, MEGABYTE, "nul\x00 and \x1b[31mred", "", "A", "]]>--><!--<script>", "A")
RED, BLUE = (200, 30, 30), (30, 30, 200)


def metadata(name: str, *requires: Capability, **changes: Any) -> TaskMetadata:
    fields: dict[str, Any] = {
        "name": name,
        "summary": f"A toy. {SCRIPT}",
        "version": 1,
        "requires": frozenset(requires),
        "inputs": (Modality.TEXT,),
        "outputs": (Modality.TEXT,),
        "dataset": DatasetInfo(name="toy", revision="1", split="test", licence="CC0-1.0"),
        "metrics": (
            MetricSpec(name="accuracy", score="accuracy"),
            MetricSpec(name="even", score="accuracy", category="even"),
        ),
        "protocol_id": f"{name}/v1",
        "citation": "none",
    }
    return TaskMetadata(**{**fields, **changes})


class Questions(Task):
    """The right answer is A; every question comes with a picture."""

    metadata = metadata("toy-questions", Capability.ANSWER, inputs=(Modality.TEXT, Modality.IMAGE))
    defaults: ClassVar[Mapping[str, JsonValue]] = {"n": 16}
    colour = RED

    def samples(self) -> Iterator[Sample]:
        for i in range(self.whole("n")):
            yield Sample(
                id=f"q{i:03d}",
                category="odd" if i % 2 else "even",
                target="A",
                data={"i": i, "hostile": SCRIPT},
            )

    def request(self, sample: Sample, seed: int) -> Request:
        picture = Image.new("RGB", (8, 6), self.colour if sample.data["i"] % 2 else BLUE)
        return AnswerRequest(
            prompt=f"Question {sample.data['i']} {SCRIPT}", images=(picture,), seed=seed
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        right = response.text == "A"
        return Outcome(
            verdict=Verdict.OK if right else Verdict.WRONG,
            reason="" if right else f"said {(response.text or '')[:20]!r} {SCRIPT}",
            scores={"accuracy": float(right)},
            details={"read": (response.text or "")[:50]},
        )

    def scorer(self) -> Identity:
        return Identity(id="toy", version="1", settings={"threshold": 0.5})

    def prompt_template(self) -> str:
        return "Question {i}"


class Pictures(Questions):
    """Pictures, judged with a box and a mask."""

    metadata = metadata("toy-pictures", Capability.GENERATE_IMAGE, outputs=(Modality.IMAGE,))

    def request(self, sample: Sample, seed: int) -> Request:
        return GenerateImageRequest(prompt=f"Draw {sample.data['i']}", seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        right = sample.data["i"] % 3 != 0
        mask = {"size": [8, 8], "counts": [16, 4, 4, 4, 36]}
        found = {"class": f"square {SCRIPT}", "color": "red", "box": [2, 0, 4, 4], "score": 0.9}
        return Outcome(
            verdict=Verdict.OK if right else Verdict.WRONG,
            scores={"accuracy": float(right)},
            details={"detections": [{**found, "mask": mask}, {"class": "no box"}, "nonsense"]},
        )


TASKS = (Questions, Pictures)


class Model(ModelAdapter):
    """Gives the listed answers in turn, and fails where the turn is `!`."""

    card = ModelCard(
        name="toy",
        summary=f"A toy. {SCRIPT}",
        capabilities=frozenset({Capability.ANSWER, Capability.GENERATE_IMAGE}),
        licence="CC0-1.0",
        source="tests",
    )

    def __init__(self, answers: Sequence[str] = ANSWERS) -> None:
        self.answers = answers

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="toy",
            adapter="tests:Model",
            code_version="1",
            weights_sha256=None,
            config={"answers": [answer[:20] for answer in self.answers]},
            defaults={},
            dtype="float32",
            device="cpu",
        )

    def preferred_batch_size(self, capability: Capability) -> int:
        return 1

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        return [self._one(request) for request in requests]

    def _one(self, request: AnswerRequest) -> Response:
        number = int(request.prompt.split()[1])
        text = self.answers[number % len(self.answers)]
        if text == "!":
            raise ValueError(f"broken on purpose {SCRIPT}")
        return Response(
            text=text,
            usage=Usage(prompt_tokens=10 + number, completion_tokens=1, vision_tokens=4),
            timing=Timing(ttft_s=0.01, total_s=0.02 * (1 + number)),
        )

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        return [Response(image=Image.new("RGB", (8, 8), (r.seed % 256, 90, 90))) for r in requests]
