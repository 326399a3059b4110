"""Toy tasks and models whose right results are known by construction."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from harness.adapter import ModelAdapter
from harness.records import (
    AnswerRequest,
    Capability,
    DatasetInfo,
    EditImageRequest,
    Fingerprint,
    GenerateImageRequest,
    Identity,
    ImageDecoding,
    LogLikelihoodRequest,
    MetricSpec,
    MetricValue,
    Modality,
    ModelCard,
    Outcome,
    Protocol,
    ReconstructRequest,
    Request,
    Response,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    TaskStatus,
    TextDecoding,
    Verdict,
)
from harness.task import FollowUpTask, Probe, ProbeContext, Task


def metadata(name: str, *requires: Capability) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        summary="A toy.",
        version=1,
        requires=frozenset(requires),
        inputs=(Modality.TEXT,),
        outputs=(Modality.TEXT,),
        dataset=DatasetInfo(name="toy", revision="1", split="test", licence="CC0-1.0"),
        metrics=(MetricSpec(name="accuracy", score="accuracy"),),
        protocol_id=f"{name}/v1",
        citation="none",
    )


def noise(seed: int, width: int, height: int) -> Image.Image:
    """A picture that's a function of its seed alone."""
    block = hashlib.sha256(str(seed).encode()).digest()
    size = width * height * 3
    return Image.frombytes("RGB", (width, height), (block * (size // 32 + 1))[:size])


def mean_of_known(scored: Sequence[ScoredSample], protocol: Protocol, name: str) -> TaskResult:
    """Accuracy over known verdicts; the engine is tested without the statistics."""
    verdicts = Counter(item.outcome.verdict for item in scored)
    values = [i.outcome.scores["accuracy"] for i in scored if i.outcome.verdict.is_known]
    unknown = len(scored) - len(values)
    return TaskResult(
        task=name,
        status=TaskStatus.INCOMPLETE if unknown else TaskStatus.COMPLETE,
        metrics=(
            MetricValue(
                name="accuracy", value=sum(values) / len(values) if values else None, n=len(values)
            ),
        ),
        verdicts={verdict.value: count for verdict, count in sorted(verdicts.items())},
        protocol_hash=protocol.hash,
        total=len(scored),
    )


class ToyTask(Task):
    """Questions of two decodings; the right answer is the request's seed in letters."""

    metadata = metadata("toy-answers", Capability.ANSWER)
    defaults: ClassVar[dict[str, Any]] = {"n": 40, "prefix": "s", "scorer": "1", "huge": 0}

    def samples(self) -> Iterator[Sample]:
        for i in range(self.options["n"]):
            yield Sample(
                id=f"{self.options['prefix']}{i // 2}",
                k=i % 2,
                category="even" if i % 4 == 0 else "odd",
                target=i,
                data={"i": i, "words": ["ä", "日本", "\u0000"]},
            )

    def request(self, sample: Sample, seed: int) -> Request:
        length = 8 if sample.data["i"] % 3 else 16
        return AnswerRequest(
            prompt=f"Question {sample.id} #{sample.k}? ü",
            decoding=TextDecoding(max_new_tokens=length),
            seed=seed,
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        right = response.text is not None and int(response.text.split()[0]) % 5 != 0
        return Outcome(
            verdict=Verdict.OK if right else Verdict.WRONG,
            scores={"accuracy": float(right)},
            details={"length": len(response.text or "")},
        )

    def scorer(self) -> Identity:
        return Identity(id="toy", version=self.options["scorer"])

    def prompt_template(self) -> str:
        return "Question {id} #{k}? ü"

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        return mean_of_known(scored, protocol, self.metadata.name)


class ToyPictures(ToyTask):
    """Pictures of two sizes, right if their first pixel is bright."""

    metadata = metadata("toy-pictures", Capability.GENERATE_IMAGE)

    def request(self, sample: Sample, seed: int) -> Request:
        width = 8 if sample.data["i"] % 2 else 12
        return GenerateImageRequest(
            prompt=f"Draw {sample.id}",
            decoding=ImageDecoding(width=width, height=8, steps=2),
            seed=seed,
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        assert response.image is not None
        red = response.image.getpixel((0, 0))[0]
        return Outcome(
            verdict=Verdict.OK if red > 127 else Verdict.WRONG,
            scores={"accuracy": float(red > 127)},
            details={"red": red, "size": list(response.image.size)},
        )


class ToyEdits(ToyPictures):
    metadata = metadata("toy-edits", Capability.EDIT_IMAGE)

    def request(self, sample: Sample, seed: int) -> Request:
        return EditImageRequest(prompt="Invert", image=noise(sample.data["i"], 6, 6), seed=seed)


class ToyLikelihoods(ToyTask):
    metadata = metadata("toy-likelihoods", Capability.LOGLIKELIHOOD)

    def request(self, sample: Sample, seed: int) -> Request:
        return LogLikelihoodRequest(prompt=sample.id, continuations=("a", "b", "c"), seed=seed)

    def score(self, sample: Sample, response: Response) -> Outcome:
        values = response.loglikelihoods
        assert values is not None
        return Outcome(verdict=Verdict.OK, scores={"accuracy": 1.0}, details={"v": values[:2]})


class ToyReconstruction(ToyPictures):
    metadata = metadata("toy-reconstruction", Capability.RECONSTRUCT)

    def request(self, sample: Sample, seed: int) -> Request:
        return ReconstructRequest(image=noise(sample.data["i"], 6, 6), seed=seed)


class ToyFollowUps(FollowUpTask):
    """Two pictures a prompt, each asked about twice; right if the answer is to that picture."""

    metadata = metadata("toy-follow-ups", Capability.GENERATE_IMAGE, Capability.ANSWER)
    defaults: ClassVar[dict[str, Any]] = {"n": 6}

    def samples(self) -> Iterator[Sample]:
        for i in range(self.options["n"]):
            for k in range(2):
                yield Sample(id=f"d{i}", k=k)
                for question in range(2):
                    yield Sample(
                        id=f"d{i}/q{question}", k=k, cluster=f"d{i}", data={"about": f"d{i}"}
                    )

    def follows(self, sample: Sample) -> tuple[str, int] | None:
        about = sample.data.get("about")
        return None if about is None else (about, sample.k)

    def request(self, sample: Sample, seed: int) -> Request:
        return GenerateImageRequest(prompt=f"Draw {sample.id}", seed=seed)

    def request_after(self, sample: Sample, earlier: Response, seed: int) -> Request:
        assert earlier.image is not None
        return AnswerRequest(
            prompt=f"{sample.id}? {earlier.image.getpixel((0, 0))}",
            images=(earlier.image,),
            decoding=TextDecoding(max_new_tokens=4),
            seed=seed,
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        return Outcome(verdict=Verdict.OK, scores={"accuracy": 1.0})

    def score_after(self, sample: Sample, response: Response, earlier: Response) -> Outcome:
        assert earlier.image is not None
        red = earlier.image.getpixel((0, 0))[0]
        return Outcome(
            verdict=Verdict.OK if red > 127 else Verdict.WRONG,
            scores={"accuracy": float(red > 127)},
            details={"red": red},
        )

    def scorer(self) -> Identity:
        return Identity(id="toy-follow-ups", version="1")

    def prompt_template(self) -> str:
        return "Draw {id}"

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        return mean_of_known(scored, protocol, self.metadata.name)


class ToyProbe(Probe):
    """Measures the length of the model's name, five times."""

    metadata = metadata("toy-probe", Capability.ANSWER)
    measured: ClassVar[list[str]] = []

    def samples(self) -> Iterator[Sample]:
        return (Sample(id=f"m{i}") for i in range(5))

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        self.measured.append(sample.id)
        return Outcome(verdict=Verdict.OK, scores={"accuracy": float(len(adapter.card.name))})

    def scorer(self) -> Identity:
        return Identity(id="toy-probe", version="1")

    def prompt_template(self) -> str:
        return ""

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        return mean_of_known(scored, protocol, self.metadata.name)


ALL = frozenset(Capability) - {Capability.VISION_TOKENS}


class ToyModel(ModelAdapter):
    """Answers, pictures and likelihoods are functions of the request's seed.

    Args:
        sleep: Seconds per call.
        log: File to which the seed of every served request is appended.
        size: Preferred batch size.
    """

    card = ModelCard(
        name="toy", summary="A toy.", capabilities=ALL, licence="CC0-1.0", source="tests"
    )

    def __init__(
        self, *, sleep: float = 0.0, log: str = "", size: int = 4, weights: str = "w0"
    ) -> None:
        self.sleep = sleep
        self.log = log
        self.size = size
        self.weights = weights
        self.batches: list[list[Any]] = []
        self.closed = False

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model="toy",
            adapter="tests:ToyModel",
            code_version="1",
            weights_sha256=self.weights,
            config={},
            defaults={},
            dtype="float32",
            device="cpu",
        )

    def preferred_batch_size(self, capability: Capability) -> int:
        return self.size

    def batch_key(self, request: Request) -> Any:
        image = getattr(request, "image", None)
        return None if image is None else image.size

    def serve(self, requests: Sequence[Any]) -> None:
        self.batches.append(list(requests))
        time.sleep(self.sleep)
        if self.log:
            with Path(self.log).open("a") as file:
                file.writelines(f"{request.seed}\n" for request in requests)

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        self.serve(requests)
        return [Response(text=f"{r.seed} ✓ {'x' * r.decoding.max_new_tokens}") for r in requests]

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        self.serve(requests)
        return [
            Response(image=noise(r.seed, r.decoding.width or 8, r.decoding.height or 8))
            for r in requests
        ]

    def edit_image(self, requests: Sequence[EditImageRequest]) -> list[Response]:
        self.serve(requests)
        return [Response(image=r.image.point(lambda value: 255 - value)) for r in requests]

    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        self.serve(requests)
        return [Response(loglikelihoods=(-0.1, -r.seed / 3, float("-inf"))) for r in requests]

    def reconstruct(self, requests: Sequence[ReconstructRequest]) -> list[Response]:
        self.serve(requests)
        return [Response(image=r.image) for r in requests]

    def close(self) -> None:
        self.closed = True


TASKS = (
    ToyTask,
    ToyPictures,
    ToyEdits,
    ToyLikelihoods,
    ToyReconstruction,
    ToyFollowUps,
    ToyProbe,
)
