"""What probes share that measure each capability of a model."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from harness.records import Capability, Identity, JsonValue, ModelCard, Sample, ScoredSample
from harness.task import Probe
from tasks.probes.answer_length import length_notes
from tasks.probes.inputs import PROMPTS, read_workload

__all__ = ["CapabilityProbe"]


class CapabilityProbe(Probe):
    """Measures capabilities by wall time, with requests of a size that options give.

    Options: `warmup` calls, `image_size` in pixels, `max_new_tokens` of an answer, `fixed_length`:
    whether answers have exactly that many, `steps` (`null`: the model's own).
    """

    measured: ClassVar[Sequence[Capability]]
    """Capabilities that the probe can measure, in the order of its metrics."""

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "warmup": 2,
        "image_size": 256,
        "max_new_tokens": 32,
        "fixed_length": True,
        "steps": None,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._work = read_workload(self)
        self._warmup = self.whole("warmup", least=0)

    def samples(self) -> Iterator[Sample]:
        """The measurements of a model that can do everything."""
        return self._plan(self.measured)

    def samples_for(self, card: ModelCard) -> Iterator[Sample]:
        """The measurements of what the model can do."""
        return self._plan([c for c in self.measured if c in card.capabilities])

    @abc.abstractmethod
    def _plan(self, capabilities: Sequence[Capability]) -> Iterator[Sample]:
        """The measurements of these capabilities."""

    def _length_notes(self, scored: Sequence[ScoredSample]) -> tuple[str, ...]:
        """What to know about answers of other lengths than was asked for."""
        return length_notes(scored, self._work.text_decoding().min_new_tokens)

    def scorer(self) -> Identity:
        """The stop-watch."""
        return Identity(id="wall-clock", version="1")

    def prompt_template(self) -> str:
        """The prompt of each capability, a line each; places of a batch differ in pictures."""
        prompts = [f"{c.value}: {text}" for c, text in PROMPTS.items() if c in self.measured]
        return "\n".join([*prompts, "prompts of equal length"])

    def decoding(self) -> Mapping[str, JsonValue]:
        """Greedy answers; images as the model draws them by itself unless `steps` is given."""
        text = self._work.text_decoding()
        least = {"min_new_tokens": text.min_new_tokens} if text.min_new_tokens else {}
        return {
            "temperature": text.temperature,
            "max_new_tokens": text.max_new_tokens,
            **least,
            "steps": self._work.steps,
        }
