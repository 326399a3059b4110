"""Any model that answers questions about images, as a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import SpecError
from harness.records import AnswerRequest, Capability, Identity, JsonValue, TextDecoding
from harness.registry import models
from tasks.judges.asking import build_judge, judge_identity

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Question", "VQAJudge"]

_OFFICIAL = "mplug"


class Question(NamedTuple):
    """A question about an image."""

    image: Image
    """The image."""
    text: str
    """The question, before the template is put around it."""
    before: tuple[Image, ...] = ()
    """Pictures that are shown before it."""


class VQAJudge:
    """A registered model that answers questions greedily.

    Args:
        model: The model as users write it: `NAME`, `NAME:LOCATION` or `FILE.py:CLASS`.
        template: What the judge is asked; `{question}` stands for the question.
        args: Arguments of the model.
        max_new_tokens: Length of its answers.

    Raises:
        SpecError: The template has no `{question}`, or the model can't answer about images.
        BenchError: The model can't be built.
    """

    def __init__(
        self,
        model: str,
        template: str = "{question}",
        args: Mapping[str, JsonValue] | None = None,
        *,
        max_new_tokens: int = 16,
    ) -> None:
        _refuse_mplug(model)
        self._model, self._template, self._length = model, template, max_new_tokens
        self._judge = build_judge(
            model, args or {}, template, Capability.ANSWER, "doesn't answer questions"
        )

    def load(self) -> None:
        """Have the model in memory.

        Raises:
            BenchError: It can't be built, or has changed since.
        """
        self._judge.load()

    def identity(self) -> Identity:
        """The model's name, code version and weights, and how it's asked."""
        return judge_identity(
            self._judge, {"template": self._template, "max_new_tokens": self._length}
        )

    def ask(self, questions: Sequence[Question]) -> list[str]:
        """The judge's answers, greedy, in order.

        Raises:
            ValueError: An answer has no text.
        """
        requests = [
            AnswerRequest(
                prompt=self._template.replace("{question}", question.text),
                images=(*question.before, question.image),
                decoding=TextDecoding(max_new_tokens=self._length),
                seed=0,
            )
            for question in questions
        ]
        return [self._text(response.text) for response in self._judge.ask(requests)]

    def _text(self, text: str | None) -> str:
        if text is None:
            raise ValueError(f"the judge {self._model!r} gave no text")
        return text


def _refuse_mplug(model: str) -> None:
    """The official judge by its name, unless a plug-in brings it."""
    name = model.partition(":")[0]
    if _OFFICIAL not in name.lower() or name.endswith(".py") or name in models():
        return
    raise SpecError(
        "DPG-Bench's official judge, mPLUG large, can't be loaded: its code is modelscope's, which "
        "doesn't install beside current torch, and no registered model serves its weights "
        "(damo/mplug_visual-question-answering_coco_large_en)",
        "register an adapter for it under the name mplug, or name another judge: its numbers are "
        "of another protocol",
    )
