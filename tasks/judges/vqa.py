"""Any model that answers questions about images, as a judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.adapter import ModelAdapter, perform
from harness.errors import SpecError
from harness.models import build_model, model_ref
from harness.records import AnswerRequest, Capability, Identity, TextDecoding

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Question", "VQAJudge"]

_UNAVAILABLE = {
    "mplug": "DPG-Bench's official judge, mPLUG large, has no adapter: its code needs modelscope, "
    "which no longer installs beside current torch"
}


class Question(NamedTuple):
    """A question about an image."""

    image: Image
    """The image."""
    text: str
    """The question, as the judge is asked it."""


class VQAJudge:
    """A registered model that answers questions greedily.

    Args:
        model: The model as users write it: `NAME`, `NAME:LOCATION` or `FILE.py:CLASS`.
        template: What the judge is asked; `{question}` stands for the question.
        max_new_tokens: Length of its answers.

    Raises:
        SpecError: The template has no `{question}`, or the model can't answer about images.
        BenchError: The model can't be built.
    """

    def __init__(
        self, model: str, template: str = "{question}", *, max_new_tokens: int = 16
    ) -> None:
        if "{question}" not in template:
            raise SpecError(f"judge template {template!r} has no {{question}}", "put it in")
        if model in _UNAVAILABLE:
            raise SpecError(_UNAVAILABLE[model], "name another judge; its protocol is another one")
        self._model, self._template, self._length = model, template, max_new_tokens
        self._adapter: ModelAdapter = build_model(model_ref(model))
        if Capability.ANSWER not in self._adapter.card.capabilities:
            raise SpecError(f"{model!r} doesn't answer questions", "name a model that does")

    def identity(self) -> Identity:
        """The model's name, code version and weights, and how it's asked."""
        fingerprint = self._adapter.fingerprint()
        return Identity(
            id=fingerprint.model,
            version=fingerprint.code_version,
            weights_sha256=fingerprint.weights_sha256,
            settings={
                "template": self._template,
                "max_new_tokens": self._length,
                "dtype": fingerprint.dtype,
                "config": dict(fingerprint.config),
            },
        )

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """The judge's answers, greedy, in order.

        Raises:
            ValueError: An answer has no text.
        """
        requests = [
            AnswerRequest(
                prompt=self._template.format(question=question.text),
                images=(question.image,),
                decoding=TextDecoding(max_new_tokens=self._length),
                seed=0,
            )
            for question in questions
        ]
        size = self._adapter.preferred_batch_size(Capability.ANSWER)
        answers: list[str] = []
        for start in range(0, len(requests), size):
            for response in perform(self._adapter, requests[start : start + size]):
                if response.text is None:
                    raise ValueError(f"the judge {self._model!r} gave no text")
                answers.append(response.text)
        return answers
