"""What a benchmark has to say to be run: its samples, its requests, its scores.

A task is a pure description. It draws no random numbers of its own beyond the seed it is given,
keeps no state between samples, and imports neither a model nor torch.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.errors import SpecError
from harness.records import (
    Identity,
    JsonValue,
    ModelCard,
    Outcome,
    Protocol,
    Request,
    Response,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
)

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["FollowUpTask", "Probe", "ProbeContext", "Task"]


class Task(abc.ABC):
    """Base class of all benchmarks.

    Args:
        options: Task options from the command line or run file; unknown keys are refused.
    """

    metadata: TaskMetadata
    """What the task says about itself; an attribute of the class, available without building it. An
    object may have its own, where options change what a model needs."""

    defaults: ClassVar[Mapping[str, JsonValue]] = {}
    """Options and their default values; they're all that `options` may hold."""

    places: ClassVar[frozenset[str]] = frozenset()
    """Options that stay out of the protocol: they say where something is or how fast it goes, or
    their contents are in it under another name, as a hash or an identity."""

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        from harness.options import merge_options

        self.options = merge_options(self.metadata.name, self.defaults, options or {})

    def whole(self, option: str, least: int | None = None) -> int:
        """An option as a whole number.

        Args:
            option: Name of the option.
            least: Smallest number allowed; `None` allows any.

        Raises:
            SpecError: It's something else, or too small.
        """
        value = self.options[option]
        if isinstance(value, bool) or not isinstance(value, int):
            raise SpecError(
                f"{self.metadata.name}: option {option!r} is {value!r}", "give a whole number"
            )
        if least is not None and value < least:
            raise SpecError(
                f"{self.metadata.name}: option {option!r} is {value}", f"give at least {least}"
            )
        return value

    def switch(self, option: str) -> bool:
        """An option that is on or off.

        Args:
            option: Name of the option.

        Raises:
            SpecError: It's something else.
        """
        value = self.options[option]
        if not isinstance(value, bool):
            raise SpecError(
                f"{self.metadata.name}: option {option!r} is {value!r}", "give on or off"
            )
        return value

    def one_of(self, option: str, known: Collection[str]) -> str:
        """An option that is one of a few names.

        Args:
            option: Name of the option.
            known: The names.

        Raises:
            SpecError: It's something else.
        """
        from harness.names import suggest

        value = str(self.options[option])
        if value not in known:
            hint = suggest(value, known) or "it is one of " + ", ".join(known)
            raise SpecError(f"{self.metadata.name}: unknown {option} {value!r}", hint)
        return value

    @abc.abstractmethod
    def samples(self) -> Iterator[Sample]:
        """All samples in a fixed order, streamed; repeats of a prompt are neighbours."""

    @abc.abstractmethod
    def request(self, sample: Sample, seed: int) -> Request:
        """The request for one sample; `seed` is `sample_seed(...)` and goes into the request."""

    @abc.abstractmethod
    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge one response. Must not raise on any model output, only on broken task data."""

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Judge many responses; override where a detector or judge is faster in batches."""
        return [self.score(sample, response) for sample, response in pairs]

    def preflight(self) -> None:
        """Check cheaply, before the model is asked, that scoring will be possible.

        Raises:
            BenchError: A package or file that scoring needs isn't there.
        """
        return  # most scorers need nothing

    def prepare(self) -> None:
        """Get ready to score, before the first response: load judges, check them.

        It may be called again, and then does nothing.

        Raises:
            BenchError: A judge can't be built, or isn't what the protocol says. The run stops
                before any verdict, and no response is lost.
        """
        return  # most scorers need nothing

    @abc.abstractmethod
    def scorer(self) -> Identity:
        """Identity of the scorer; part of the protocol."""

    def judge(self) -> Identity | None:
        """Identity of the detector or judge, if the scorer uses one; part of the protocol."""
        return None

    @abc.abstractmethod
    def prompt_template(self) -> str:
        """The template that requests are made from; part of the protocol."""

    def repeats(self) -> int:
        """Samples per prompt; part of the protocol."""
        return 1

    def decoding(self) -> Mapping[str, JsonValue]:
        """Decoding that the task demands; part of the protocol."""
        return {}

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol that this task's scores carry for the given seed and limit."""
        changed = {
            name: value
            for name, value in self.options.items()
            if value != self.defaults[name] and name not in self.places
        }
        return Protocol(
            id=self.metadata.protocol_id,
            task=self.metadata.name,
            task_version=self.metadata.version,
            dataset=self.metadata.dataset,
            prompt_template=self.prompt_template(),
            scorer=self.scorer(),
            judge=self.judge(),
            decoding=self.decoding(),
            seed=seed,
            repeats=self.repeats(),
            limit=limit,
            options=changed,
        )

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """Turn verdicts into metrics with intervals; the default serves declared metrics."""
        from harness.aggregate import aggregate

        return aggregate(self.metadata, scored, protocol)


class FollowUpTask(Task):
    """A task that also asks the model about its own responses.

    Its first samples are asked as in any task. Each of the others follows one of them: its request
    is made from the response to that one, once it's there. Every sample, first or following, is a
    sample of its own: with its seed, its stored response and its verdict. One that follows a sample
    without response is `missing`, and is asked when that one has been answered.
    """

    @abc.abstractmethod
    def follows(self, sample: Sample) -> tuple[str, int] | None:
        """Id and repeat index of the first sample that one follows; `None` for first ones.

        A first sample stands before those that follow it in `samples`.
        """

    @abc.abstractmethod
    def request_after(self, sample: Sample, earlier: Response, seed: int) -> Request:
        """The request for a sample that follows another.

        Args:
            sample: The sample.
            earlier: The model's response to the first one, its picture read back.
            seed: `sample_seed(...)` of the sample; goes into the request.
        """

    def score_after(self, sample: Sample, response: Response, earlier: Response) -> Outcome:
        """Judge the response to a sample that follows another; arguments as above."""
        del earlier
        return self.score(sample, response)

    def stand_in(self) -> Response:
        """A response of the first kind for plans, which are made before the model is asked."""
        from PIL import Image as PILImage

        return Response(image=PILImage.new("RGB", (8, 8)))


class ProbeContext:
    """What a probe may use besides the model.

    Args:
        seed: Base seed of the run.
        limit: Smaller means fewer rounds; `None` is the probe's own number.
        batch_size: The user's batch size, if one was named.
        folder: Run folder, for artefacts.
    """

    def __init__(self, seed: int, limit: int | None, batch_size: int | None, folder: Path) -> None:
        self.seed = seed
        self.limit = limit
        self.batch_size = batch_size
        self.folder = folder


class Probe(Task):
    """A task that measures the model itself instead of comparing responses with targets.

    Each measurement is a sample with its outcome, so that probes share the ledger, resume and
    tables with benchmarks. `samples` lists the planned measurements.
    """

    def samples_for(self, card: ModelCard) -> Iterator[Sample]:
        """The measurements that make sense for one model; override to adapt to capabilities."""
        del card
        return self.samples()

    @abc.abstractmethod
    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Carry out one planned measurement."""

    def request(self, sample: Sample, seed: int) -> Request:
        """Probes build their own requests."""
        raise NotImplementedError(f"{type(self).__name__} measures; it has no single request")

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Probes score while measuring."""
        raise NotImplementedError(f"{type(self).__name__} measures; it has no responses to score")
