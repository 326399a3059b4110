"""A task of lm-eval as a task of ours; the family makes a subclass for each name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.errors import DataError, SpecError
from harness.records import (
    Capability,
    Identity,
    JsonValue,
    MetricSpec,
    MetricValue,
    Outcome,
    Protocol,
    Request,
    Response,
    Sample,
    ScoredSample,
    TaskResult,
    TextDecoding,
)
from harness.task import Task
from tasks.lm_eval.metadata import output_type
from tasks.lm_eval.safety import check
from tasks.lm_eval.source import Source

if TYPE_CHECKING:
    from tasks.lm_eval.loading import Loaded

__all__ = ["LmEvalTask"]


class LmEvalTask(Task):
    """One document is one sample with one request, so it has one verdict.

    Options: `num_fewshot` and `fewshot_seed` as in lm-eval; `chat` puts each prompt into the
    model's chat template; `repeats=1` asks once where a task asks several times; `allow_code` and
    `unsafe_code` allow what `tasks.lm_eval.safety` refuses.

    Args:
        options: Task options.

    Raises:
        SpecError: An option is wrong, or the task would run code that isn't allowed.
    """

    source: ClassVar[Source]
    """The task's files."""

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "num_fewshot": None,
        "fewshot_seed": 1234,
        "chat": False,
        "repeats": None,
        "allow_code": False,
        "unsafe_code": False,
    }
    places: ClassVar[frozenset[str]] = frozenset({"allow_code", "unsafe_code"})

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        check(
            self.source,
            allow_code=bool(self.options["allow_code"]),
            unsafe_code=bool(self.options["unsafe_code"]),
        )
        self._check_options()
        self._lm_eval: Loaded | None = None

    def samples(self) -> Iterator[Sample]:
        """All documents in lm-eval's order."""
        from tasks.lm_eval.asking import make_samples

        return make_samples(self._loaded(), seed=self.whole("fewshot_seed"), chat=self._chat())

    def request(self, sample: Sample, seed: int) -> Request:
        """The one request of a document."""
        from tasks.lm_eval.asking import make_request

        return make_request(sample.data, self._decoding(), seed=seed, chat=self._chat())

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge one response by the task's filters and metrics."""
        from tasks.lm_eval.judging import judge

        return judge(self._loaded().task, self._doc(sample), response, self.metadata.metrics)

    def prepare(self) -> None:
        """Load lm-eval's task.

        Raises:
            BenchError: It can't be built, or its data can't be loaded.
        """
        self._loaded()

    def scorer(self) -> Identity:
        """lm-eval's release, and hash and version of the task's configuration."""
        from tasks.lm_eval.identity import scorer

        return scorer(self._loaded())

    def prompt_template(self) -> str:
        """Name, few-shot examples, and the hash of all that prompts are made from."""
        from tasks.lm_eval.identity import prompt_hash

        loaded = self._loaded()
        return f"lm_eval {loaded.task.config.task}, {loaded.shots}-shot, {prompt_hash(loaded)}"

    def decoding(self) -> Mapping[str, JsonValue]:
        """The task's generation arguments; empty where log-likelihoods are asked for."""
        if output_type(self.source) != "generate_until":
            return {}
        fields: dict[str, JsonValue] = msgspec.structs.asdict(self._decoding())
        if not fields["min_new_tokens"]:
            del fields["min_new_tokens"]  # came later; protocols without it keep their hash
        return fields

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, with the data's revision or hash, and the few-shot examples."""
        from tasks.lm_eval.identity import dataset_info

        base, loaded = super().protocol(seed, limit), self._loaded()
        shots: dict[str, JsonValue] = {"num_fewshot": loaded.shots}
        if loaded.shots:
            shots["fewshot_seed"] = self.whole("fewshot_seed")
        return msgspec.structs.replace(
            base,
            dataset=dataset_info(loaded, self.metadata.dataset),
            options={**base.options, **shots},
        )

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """Means and ratios by the engine; other metrics of the whole data by lm-eval's function."""
        from tasks.lm_eval.judging import per_document

        result, task = super().aggregate(scored, protocol), self._loaded().task
        metrics = [
            value if spec.over or per_document(task, spec.name) else self._of_corpus(spec, scored)
            for spec, value in zip(self.metadata.metrics, result.metrics, strict=True)
        ]
        lost = [value.name for value in metrics if value.value is None]
        notes = [f"lm-eval gave no value of {name}" for name in lost if result.total]
        return msgspec.structs.replace(
            result, metrics=tuple(metrics), notes=(*result.notes, *notes)
        )

    def _of_corpus(self, spec: MetricSpec, scored: Sequence[ScoredSample]) -> MetricValue:
        from tasks.lm_eval.corpus import corpus_value

        outcomes = (row.outcome for row in scored if row.outcome.verdict.is_known)
        parts: Iterator[Any] = (outcome.details["items"] for outcome in outcomes)
        items = [part[spec.name] for part in parts if spec.name in part]
        function = self._loaded().task.aggregation()[spec.name.partition(",")[0]]
        return corpus_value(spec, function, items)

    def _check_options(self) -> None:
        name, repeats = self.metadata.name, self.source.config.get("repeats") or 1
        if self.options["repeats"] not in (None, 1):
            raise SpecError(f"{name}: repeats is {self.options['repeats']!r}", "give 1")
        if repeats != 1 and self.options["repeats"] is None:
            raise SpecError(
                f"{name} asks for each document {repeats} times, which isn't one request",
                f"--task-option {name}.repeats=1 asks once",
            )
        if self.options["num_fewshot"] is not None:
            self.whole("num_fewshot", 0)
        if self._chat():
            self._check_chat()

    def _check_chat(self) -> None:
        if output_type(self.source) == "loglikelihood_rolling":
            raise SpecError(f"{self.metadata.name} scores whole texts", "leave the option chat out")
        # A model that chats needn't be able to continue a text without its template.
        asked = self.metadata.requires - {Capability.RAW_TEXT}
        vars(self)["metadata"] = msgspec.structs.replace(self.metadata, requires=asked)

    def _chat(self) -> bool:
        return bool(self.options["chat"])

    def _decoding(self) -> TextDecoding:
        from tasks.lm_eval.asking import decoding_of

        kwargs = self._loaded().task.config.generation_kwargs
        return decoding_of(self.metadata.name, kwargs or {})

    def _doc(self, sample: Sample) -> Any:
        """The document of a sample, if the data are still what they were."""
        from tasks.lm_eval.identity import doc_digest

        docs, number = self._loaded().docs, int(sample.id)
        doc = docs[number] if number < len(docs) else None
        if doc is None or doc_digest(doc) != sample.data["doc_sha256"]:
            raise DataError(
                f"{self.metadata.name}: document {number} isn't the one that the model was asked "
                "about",
                "restore the data of the run, or run again into a new folder",
            )
        return doc

    def _loaded(self) -> Loaded:
        if self._lm_eval is None:
            from tasks.lm_eval.loading import load

            shots = self.options["num_fewshot"]
            wanted = None if shots is None else self.whole("num_fewshot", 0)
            self._lm_eval = load(self.source, num_fewshot=wanted)
        return self._lm_eval
