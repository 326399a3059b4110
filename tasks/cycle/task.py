"""What tasks of cycle consistency share: drawings, and questions that follow them.

A drawing is a sample; each question about it is a sample that follows it. The question's `cycle` is
whether the model reads off its own picture what the prompt said. Where somebody else looks at the
picture too, `reading` is whether the model reads what is there: a wrong cycle is then the
drawing's fault or the reading's.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from harness.records import (
    AnswerRequest,
    Capability,
    GenerateImageRequest,
    Identity,
    JsonValue,
    MetricSpec,
    Outcome,
    Response,
    Sample,
    TextDecoding,
    Verdict,
)
from harness.seeds import sample_seed
from harness.task import FollowUpTask
from tasks.cycle.questions import KINDS, LETTERS, Question, Vocabulary, ask_about
from tasks.drawing import picture_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.scoring.geneval.metadata import PromptSpec

__all__ = ["NEEDS", "CycleTask", "cycle_metrics"]

NEEDS = frozenset({Capability.GENERATE_IMAGE, Capability.ANSWER})
"""What a model must be able to do."""

_DATA_SEED = 0
_DECODING = TextDecoding(max_new_tokens=16)


def cycle_metrics() -> tuple[MetricSpec, ...]:
    """The share of questions answered as the prompt says, of all and of each kind."""
    kinds = (
        MetricSpec(
            name=f"cycle_{kind}",
            score="cycle",
            category=kind,
            description=f"Of the questions on {kind}.",
        )
        for kind in KINDS
    )
    whole = MetricSpec(
        name="cycle",
        score="cycle",
        description="Questions about own pictures answered as the prompt says; chance is 1/4.",
    )
    return (whole, *kinds)


class CycleTask(FollowUpTask):
    """Draw each prompt, then answer questions about the picture; see the module."""

    @abc.abstractmethod
    def vocabulary(self) -> Vocabulary:
        """Where wrong options come from."""

    @abc.abstractmethod
    def specs(self) -> Iterator[PromptSpec]:
        """Records that prompts are drawn from, in order."""

    def seen(self, image: Image, question: Question) -> str | None:
        """What somebody else reads off a picture; `None` if nobody looks, or it isn't clear."""
        del image, question
        return None

    def samples(self) -> Iterator[Sample]:
        """Each drawing, then the questions about it."""
        for index, spec in enumerate(self.specs()):
            name = f"{index:05d}"
            questions = self._questions(name, spec)
            for k in range(self.repeats()):
                yield self._drawing(name, k, spec)
                for number, question in enumerate(questions):
                    yield self._asking(name, k, number, question)

    def follows(self, sample: Sample) -> tuple[str, int] | None:
        """The drawing that a question is about."""
        about = sample.data.get("about")
        return None if about is None else (str(about), sample.k)

    def request(self, sample: Sample, seed: int) -> GenerateImageRequest:
        """The bare prompt; decoding is the model's."""
        return GenerateImageRequest(prompt=str(sample.data["prompt"]), seed=seed)

    def request_after(self, sample: Sample, earlier: Response, seed: int) -> AnswerRequest:
        """The model's own picture, the question, and one lettered option a line."""
        asked = _question(sample)
        options = zip(LETTERS, asked.options, strict=True)
        lines = [asked.text, *(f"{letter}. {text}" for letter, text in options)]
        return AnswerRequest(
            prompt="\n".join(lines), images=(picture_of(earlier),), decoding=_DECODING, seed=seed
        )

    def score(self, sample: Sample, response: Response) -> Outcome:
        """A drawing is judged by the questions about it; by itself it's only there."""
        del sample
        picture_of(response)
        return Outcome(verdict=Verdict.OK)

    def score_after(self, sample: Sample, response: Response, earlier: Response) -> Outcome:
        """Read an option off the answer; compare it with the prompt, and with what is seen."""
        from tasks.scoring.mmbench import can_infer

        asked = _question(sample)
        options = dict(zip(LETTERS, asked.options, strict=True))
        letter = can_infer(response.text or "", options)
        said = None if letter is None else options[letter]
        seen = self.seen(picture_of(earlier), asked)
        scores = {"cycle": float(said == asked.answer)}
        if seen is not None:
            scores["reading"] = float(said == seen)
            scores["shown"] = float(seen == asked.answer)
        details = {"said": said, "seen": seen}
        return _outcome(asked, said, seen, scores, details)

    def scorer(self) -> Identity:
        """MMBench's exact matching; what can't be read scores 0 and is counted apart."""
        return Identity(
            id="cycle", version="1", settings={"reading": "open-compass/VLMEvalKit@e8e78f0"}
        )

    def prompt_template(self) -> str:
        """The prompt alone; then question and one lettered option a line, behind the picture."""
        return "{prompt}\n---\n{picture}{question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}"

    def repeats(self) -> int:
        """Pictures per prompt."""
        return self.whole("images", 1)

    def decoding(self) -> Mapping[str, JsonValue]:
        """Answers are greedy, at most 16 tokens; drawings are decoded as the model does."""
        return {"temperature": 0.0, "max_new_tokens": _DECODING.max_new_tokens}

    def _questions(self, name: str, spec: PromptSpec) -> list[Question]:
        import numpy as np

        draw = np.random.default_rng(sample_seed(_DATA_SEED, self.metadata.name, name, 0))
        return ask_about(spec, self.vocabulary(), draw)

    def _drawing(self, name: str, k: int, spec: PromptSpec) -> Sample:
        record = msgspec.json.decode(msgspec.json.encode(spec))
        return Sample(id=name, k=k, category="drawing", target=record, data={"prompt": spec.prompt})

    def _asking(self, name: str, k: int, number: int, question: Question) -> Sample:
        lists = {"options": [*question.options], "objects": [*question.objects]}
        data: dict[str, Any] = {**question._asdict(), **lists, "about": name}
        return Sample(
            id=f"{name}/q{number}",
            k=k,
            cluster=name,
            category=question.kind,
            target=question.answer,
            data=data,
        )


def _question(sample: Sample) -> Question:
    data: Any = sample.data
    a, b, c, d = data["options"]
    return Question(data["kind"], data["text"], (a, b, c, d), data["answer"], (*data["objects"],))


def _outcome(
    asked: Question,
    said: str | None,
    seen: str | None,
    scores: Mapping[str, float],
    details: Mapping[str, JsonValue],
) -> Outcome:
    shows = "" if seen is None else f", the picture shows {seen}"
    if said is None:
        reason = f"no option can be read off the answer; the prompt says {asked.answer}{shows}"
        return Outcome(verdict=Verdict.UNPARSED, reason=reason, scores=scores, details=details)
    right = said == asked.answer
    return Outcome(
        verdict=Verdict.OK if right else Verdict.WRONG,
        reason="" if right else f"said {said}, the prompt says {asked.answer}{shows}",
        scores=scores,
        details=details,
    )
