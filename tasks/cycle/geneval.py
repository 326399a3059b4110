"""`geneval-cycle`: GenEval's prompts drawn, then asked about; no detector is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.records import DatasetInfo, JsonValue, Modality, Protocol, TaskMetadata
from tasks.cycle.questions import Vocabulary
from tasks.cycle.task import NEEDS, CycleTask, cycle_metrics

if TYPE_CHECKING:
    from tasks.geneval.prompt_sets import DrawnPrompts
    from tasks.scoring.geneval import PromptSpec

__all__ = ["GenEvalCycle"]


class GenEvalCycle(CycleTask):
    """GenEval's 553 prompts; each question's right answer is what its prompt says."""

    metadata = TaskMetadata(
        name="geneval-cycle",
        summary="Draw GenEval's prompts, then answer questions about one's own pictures.",
        version=1,
        requires=NEEDS,
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.IMAGE, Modality.TEXT),
        dataset=DatasetInfo(
            name="geneval", revision="djghosh13/geneval@af4902f", split="test", licence="MIT"
        ),
        metrics=cycle_metrics(),
        protocol_id="geneval-cycle/v1",
        citation="Prompts: Ghosh et al., GenEval, NeurIPS 2023.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "images": 1,
        "prompts_per_skill": 100,
        "prompt_seed": 43,
    }

    def vocabulary(self) -> Vocabulary:
        """The detector's classes, GenEval's colours and numbers."""
        from tasks.judges.coco import GENEVAL_CLASSES
        from tasks.scoring.geneval import COLORS

        return Vocabulary(GENEVAL_CLASSES, COLORS, {1: "one", 2: "two", 3: "three", 4: "four"})

    def specs(self) -> Iterator[PromptSpec]:
        """The official prompts, or those of another seed or number."""
        words = self.vocabulary()
        return self._prompts().specs(words.classes, words.colors)

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, with the prompts' hash."""
        plain = super().protocol(seed, limit)
        return msgspec.structs.replace(plain, dataset=self._prompts().dataset())

    def _prompts(self) -> DrawnPrompts:
        from tasks.geneval.prompt_sets import DrawnPrompts

        return DrawnPrompts(self.whole("prompt_seed", 0), self.whole("prompts_per_skill", 1))
