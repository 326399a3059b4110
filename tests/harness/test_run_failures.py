"""Failing models: isolated, recorded with their traceback, never a zero."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.errors import OutOfMemoryError, RunFailedError, SpecError
from harness.ledger import Ledger, read_manifest
from harness.records import Response, RunStatus, Sample, TaskStatus, Timing, Usage, Verdict
from harness.registry import tasks
from harness.run import EngineSettings, execute
from harness.run.memory import is_out_of_memory
from harness.runspec import TaskRef
from tests.harness import toys
from tests.harness.conftest import Run


class Moody(toys.ToyModel):
    """Fails as it's told.

    Args:
        mood: Called with each batch before it's served; may raise.
        spoil: Called with the right responses; what it returns is returned.
    """

    def __init__(
        self,
        mood: Callable[[Sequence[Any]], None] = lambda _: None,
        spoil: Callable[[list[Response]], Any] = lambda responses: responses,
    ) -> None:
        super().__init__()
        self.mood = mood
        self.spoil = spoil

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        self.mood(requests)
        return self.spoil(super().answer(requests))

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        self.mood(requests)
        return self.spoil(super().generate_image(requests))

    def loglikelihood(self, requests: Sequence[Any]) -> list[Response]:
        self.mood(requests)
        return self.spoil(super().loglikelihood(requests))


def verdicts(tmp_path: Path, task: str = "toy-answers") -> dict[Verdict, int]:
    with Ledger.open(tmp_path / "run") as ledger:
        return {v: n for v, n in ledger.verdict_counts(task).items() if n}


def reasons(tmp_path: Path, task: str = "toy-answers") -> dict[str, str]:
    with Ledger.open(tmp_path / "run") as ledger:
        return {
            item.sample.key: item.outcome.reason
            for item in ledger.scored(task)
            if item.outcome.verdict is Verdict.ERRORED
        }


def fails_on(*names: str) -> Callable[[Sequence[Any]], None]:
    def mood(requests: Sequence[Any]) -> None:
        for request in requests:
            if any(f"Question {name}?" in request.prompt for name in names):
                raise ValueError(f"can't stand {request.prompt}")

    return mood


@pytest.mark.parametrize("size", [1, 4, 16])
def test_failing_samples_are_isolated_with_their_traceback(run: Run, tmp_path: Path, size: int):
    manifest = run(adapter=Moody(fails_on("s3 #1", "s11 #0")), batch_size=size)
    assert manifest.status is RunStatus.COMPLETE
    found = reasons(tmp_path)
    assert sorted(found) == ["s11#0", "s3#1"]
    assert found["s3#1"].startswith("Traceback")
    assert "in mood" in found["s3#1"]
    assert found["s3#1"].endswith("ValueError: can't stand Question s3 #1? ü")
    counts = verdicts(tmp_path)
    assert counts[Verdict.OK] + counts[Verdict.WRONG] == 38
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.results()[0].status is TaskStatus.INCOMPLETE
        assert ledger.sample("toy-answers", "s3", 1).response is None


def test_neighbours_of_a_failure_get_the_answers_of_a_healthy_run(run: Run, tmp_path: Path):
    run(adapter=Moody(fails_on("s3 #1")), batch_size=16)
    run(out="healthy")
    with Ledger.open(tmp_path / "run") as sick, Ledger.open(tmp_path / "healthy") as healthy:
        pairs = zip(sick.entries("toy-answers"), healthy.entries("toy-answers"), strict=True)
        differing = [b.sample.key for a, b in pairs if a.outcome != b.outcome]
    assert differing == ["s3#1"]


def test_errors_are_kept_and_retried_only_on_request(run: Run, tmp_path: Path):
    run(adapter=Moody(fails_on("s3 #1")))
    healthy = Moody()
    run(adapter=healthy)
    assert healthy.batches == []
    assert verdicts(tmp_path)[Verdict.ERRORED] == 1
    run(adapter=healthy, retry_errors=True)
    assert sum(map(len, healthy.batches)) == 1
    assert Verdict.ERRORED not in verdicts(tmp_path)
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.results()[0].status is TaskStatus.COMPLETE


def test_when_everything_fails_the_run_stops_and_shows_the_first_error(run: Run, tmp_path: Path):
    def mood(requests: Sequence[Any]) -> None:
        raise ValueError(f"no weights for {requests[0].prompt[:8]}")

    adapter = Moody(mood)
    with pytest.raises(
        RunFailedError, match=r"all 20 attempted(.|\n)*no weights for Question(.|\n)*--retry-errors"
    ):
        run(adapter=adapter, batch_size=4)
    assert adapter.closed
    assert read_manifest(tmp_path / "run").status is RunStatus.FAILED
    assert verdicts(tmp_path) == {Verdict.ERRORED: 20, Verdict.MISSING: 20}
    run(adapter=Moody(), retry_errors=True)
    assert Verdict.ERRORED not in verdicts(tmp_path)
    assert read_manifest(tmp_path / "run").status is RunStatus.COMPLETE


def test_fewer_samples_than_the_limit_that_all_fail_stop_the_run_too(run: Run, tmp_path: Path):
    with pytest.raises(RunFailedError, match="all 3 attempted"):
        run(adapter=Moody(fails_on("s0 #0", "s0 #1", "s1 #0")), limit=3)
    assert verdicts(tmp_path) == {Verdict.ERRORED: 3}


def test_a_late_failure_after_earlier_success_does_not_stop_the_run(run: Run, tmp_path: Path):
    run(adapter=Moody(fails_on("s0 #0")), limit=5)
    again = Moody(fails_on("s0 #0"))
    assert run(adapter=again, limit=5, retry_errors=True).status is RunStatus.COMPLETE
    assert verdicts(tmp_path)[Verdict.ERRORED] == 1


def test_a_task_that_is_given_up_does_not_keep_others_from_being_scored(run: Run, tmp_path: Path):
    def mood(requests: Sequence[Any]) -> None:
        if "Draw" in requests[0].prompt:
            raise ValueError("no brush")

    with pytest.raises(RunFailedError, match=r"'toy-pictures'(.|\n)*no brush"):
        run("toy-pictures", "toy-answers", adapter=Moody(mood))
    with Ledger.open(tmp_path / "run") as ledger:
        pictures, answers = ledger.results()
    assert pictures.status is TaskStatus.INCOMPLETE
    assert pictures.metrics[0].value is None
    assert answers.status is TaskStatus.COMPLETE


class TorchLike:
    """torch.cuda's exception without torch: known by its class's name."""

    OutOfMemoryError = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch.cuda"})


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("too much"),
        TorchLike.OutOfMemoryError("Tried to allocate"),
        RuntimeError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"),
    ],
)
def test_batches_shrink_when_memory_runs_out_and_stay_small(
    run: Run, tmp_path: Path, error: Exception
):
    tried: list[int] = []

    def mood(requests: Sequence[Any]) -> None:
        tried.append(len(requests))
        if len(requests) > 3:
            raise error

    run("toy-likelihoods", adapter=Moody(mood), batch_size=16)
    assert tried == [16, 8, 4, *[2] * 20]
    assert Verdict.ERRORED not in verdicts(tmp_path, "toy-likelihoods")


def test_groups_learn_their_batch_sizes_apart(run: Run, tmp_path: Path):
    """Only wide pictures run out of memory, so only their batches shrink."""
    tried: list[tuple[int, int]] = []

    def mood(requests: Sequence[Any]) -> None:
        tried.append((requests[0].decoding.width, len(requests)))
        if requests[0].decoding.width == 12 and len(requests) > 2:
            raise MemoryError

    run("toy-pictures", adapter=Moody(mood), batch_size=4)
    assert [size for width, size in tried if width == 12] == [4, *[2] * 10]
    assert [size for width, size in tried if width == 8] == [4] * 5
    assert Verdict.ERRORED not in verdicts(tmp_path, "toy-pictures")


def test_out_of_memory_at_size_one_is_an_error_of_that_sample(run: Run, tmp_path: Path):
    def mood(requests: Sequence[Any]) -> None:
        if any("Question s3 #1?" in request.prompt for request in requests):
            raise MemoryError("this one is huge")

    run(adapter=Moody(mood), batch_size=8)
    assert list(reasons(tmp_path)) == ["s3#1"]
    assert "MemoryError: this one is huge" in reasons(tmp_path)["s3#1"]


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
    import numpy as np

    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, dtype=np.uint8)
    assert is_out_of_memory(caught.value)


def change(index: int, **fields: Any) -> Callable[[list[Response]], list[Response]]:
    import msgspec

    def spoil(responses: list[Response]) -> list[Response]:
        if len(responses) > index:
            responses[index] = msgspec.structs.replace(responses[index], **fields)
        return responses

    return spoil


@pytest.mark.parametrize(
    ("task", "spoil", "message"),
    [
        ("toy-answers", lambda rs: rs[:-1], r"returned \d responses for \d requests"),
        ("toy-answers", lambda rs: rs * 2, r"returned \d responses for \d requests"),
        ("toy-answers", lambda _: None, r"returned a NoneType"),
        ("toy-answers", lambda rs: (r for r in rs), r"returned a generator"),
        ("toy-answers", lambda rs: [r.text for r in rs], r"a str among its responses"),
        ("toy-answers", change(1, text=None), r"response with nothing set"),
        ("toy-answers", change(1, text=None, image=Image.new("RGB", (1, 1))), r"`image` set"),
        ("toy-answers", change(1, loglikelihoods=(1.0,)), r"`text` and `loglikelihoods` set"),
        ("toy-answers", change(1, text=b"x"), r"text that is a bytes"),
        ("toy-answers", change(1, text="a\ud800"), r"lone surrogates at character 1"),
        ("toy-answers", change(1, finish_reason="stop"), r"isn't a FinishReason"),
        ("toy-answers", change(1, usage=Usage(nfe=1.5)), r"`usage` that can't be stored"),
        ("toy-answers", change(1, timing=Timing(total_s="x")), r"`timing` that can't be stored"),
        ("toy-pictures", change(1, image=Image.new("L", (2, 2))), r"image of mode 'L'"),
        ("toy-pictures", change(1, image=Image.new("RGB", (0, 2))), r"empty image of 0x2"),
        ("toy-pictures", change(1, image="a.png"), r"image that is a str"),
        ("toy-likelihoods", change(1, loglikelihoods=(-1.0,)), r"for 3 continuations"),
        ("toy-likelihoods", change(1, loglikelihoods=[-1.0] * 3), r"for 3 continuations"),
        (
            "toy-likelihoods",
            change(1, loglikelihoods=(-1.0, float("nan"), -1.0)),
            r"nan as a log-likelihood",
        ),
        ("toy-likelihoods", change(1, loglikelihoods=(0.5, -1.0, -1.0)), r"0.5 as a log-l"),
        ("toy-likelihoods", change(1, is_greedy=(True,)), r"`is_greedy` \(True,\) for 3"),
        ("toy-likelihoods", change(1, is_greedy=(1, 0, 0)), r"`is_greedy` \(1, 0, 0\) for 3"),
        ("toy-answers", change(1, is_greedy=(True,)), r"`is_greedy` without log-likelihoods"),
    ],
)
def test_a_broken_contract_is_an_error_that_says_how_to_keep_it(
    run: Run, tmp_path: Path, task: str, spoil: Any, message: str
):
    adapter = Moody(spoil=spoil)
    settings = EngineSettings(give_up_after=1000)
    with suppress(RunFailedError):  # some contracts are broken for every sample
        run(task, adapter=adapter, batch_size=4, settings=settings)
    found = [text for text in reasons(tmp_path, task).values() if "AdapterError" in text]
    assert found
    assert all(re.search(message, text) for text in found)
    assert all("remedy: " in text for text in found)


def test_an_undecodable_picture_is_the_adapters_error(run: Run, tmp_path: Path):
    path = tmp_path / "half.png"
    toys.noise(1, 90, 90).save(path)
    path.write_bytes(path.read_bytes()[:400])
    with Image.open(path) as half:
        run("toy-pictures", adapter=Moody(spoil=change(1, image=half)), batch_size=4)
    assert any("can't be decoded" in text for text in reasons(tmp_path, "toy-pictures").values())


class BrokenRequests(toys.ToyTask):
    metadata = toys.metadata("toy-broken-requests")

    def request(self, sample: Sample, seed: int) -> Any:
        if sample.data["i"] == 7:
            raise KeyError("image of sample 7 is gone")
        if sample.data["i"] == 8:
            return toys.AnswerRequest(prompt="\ud800", seed=seed)
        return super().request(sample, seed)


def test_a_request_that_cannot_be_made_is_an_error_of_its_sample(run: Run, tmp_path: Path):
    tasks().add("toy-broken-requests", BrokenRequests)
    run("toy-broken-requests")
    found = reasons(tmp_path, "toy-broken-requests")
    assert sorted(found) == ["s3#1", "s4#0"]
    assert "image of sample 7 is gone" in found["s3#1"]
    assert "surrogates not allowed" in found["s4#0"]


class Unable(toys.ToyModel):
    card = toys.ModelCard(
        name="unable",
        summary="Only answers.",
        capabilities=frozenset({toys.Capability.ANSWER}),
        licence="CC0-1.0",
        source="tests",
    )


def test_a_task_beyond_the_model_is_not_applicable_and_never_zero(run: Run, tmp_path: Path):
    adapter = Unable()
    manifest = run("toy-pictures", "toy-answers", adapter=adapter)
    assert [plan.applicable for plan in manifest.tasks] == [False, True]
    with Ledger.open(tmp_path / "run") as ledger:
        pictures, answers = ledger.results()
        assert ledger.total("toy-pictures") is None
    assert pictures.status is TaskStatus.NOT_APPLICABLE
    assert pictures.metrics == ()
    assert pictures.verdicts == {}
    assert pictures.notes == ("needs generate_image, which model 'unable' doesn't declare",)
    assert answers.status is TaskStatus.COMPLETE
    assert run("toy-pictures", "toy-answers", adapter=Unable()) == manifest


def test_wrong_task_lists_are_refused(run: Run, spec: Any, tmp_path: Path):
    import msgspec

    with pytest.raises(SpecError, match="named twice"):
        run("toy-answers", "toy-answers")
    with pytest.raises(SpecError, match="no task"):
        execute(msgspec.structs.replace(spec(), tasks=()))
    with pytest.raises(SpecError, match="limit is 0"):
        run(TaskRef(task="toy-answers", limit=0))
    with pytest.raises(SpecError, match="unknown option 'm'"):
        run(TaskRef(task="toy-answers", options={"m": 1}))
    assert not (tmp_path / "run").exists()


def test_a_task_without_samples_or_with_broken_data_is_named(run: Run, tmp_path: Path):
    from harness.errors import DataError

    with pytest.raises(DataError, match="'toy-answers' has no samples"):
        run(TaskRef(task="toy-answers", options={"n": 0}))

    class Broken(toys.ToyTask):
        metadata = toys.metadata("toy-broken-data")

        def samples(self) -> Any:
            yield Sample(id="a")
            raise KeyError("column")

    tasks().add("toy-broken-data", Broken)
    with pytest.raises(DataError, match="failed after listing 1 samples: KeyError: 'column'"):
        run("toy-broken-data", out="other")
