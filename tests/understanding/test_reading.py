"""Ways to read answers: policies, log-likelihoods, a judging model."""

from __future__ import annotations

import pytest

from harness.ledger import read_manifest
from harness.records import AnswerRequest, Capability, LogLikelihoodRequest, Sample
from harness.registry import models, tasks
from tasks.understanding.readers import POLICY_SOURCES
from tests.understanding.answering import Answering
from tests.understanding.conftest import RunTask


def test_every_policy_has_its_source():
    from tasks.scoring.choice import EXTRACTORS

    assert set(POLICY_SOURCES) == set(EXTRACTORS)


@pytest.mark.parametrize("extraction", sorted(POLICY_SOURCES))
def test_letters_are_read_by_every_policy(extraction: str, run_task: RunTask):
    ran = run_task("mmstar", extraction=extraction)
    assert ran.verdicts == {"ok": 8}
    (plan,) = read_manifest(ran.folder).tasks
    assert plan.protocol.scorer.id == f"choice/{extraction}"


def test_the_wrapper_reads_an_article_as_option_a_and_strict_reads_nothing(run_task: RunTask):
    model = Answering(lambda task, sample: "a thing that I have never seen")
    wrapped = run_task("mmstar", model, extraction="cheers-wrapper")
    chosen = {e.outcome.details.get("chosen") for e in wrapped.entries if e.outcome}
    assert chosen == {"A"}
    assert run_task("mmstar", model, extraction="strict").verdicts == {"unparsed": 8}


def test_log_likelihoods_rank_letters(run_task: RunTask):
    model = Answering()
    ran = run_task("mmbench", model, extraction="loglikelihood")
    assert ran.values["circular"] == 1
    assert all(isinstance(request, LogLikelihoodRequest) for request in model.asked)
    assert model.asked[0].continuations == ("A", "B", "C", "D")  # type: ignore[union-attr]
    (plan,) = read_manifest(ran.folder).tasks
    assert plan.metadata.requires == {Capability.LOGLIKELIHOOD}
    assert tasks().get("mmbench").metadata.requires == {Capability.ANSWER}


def test_equal_log_likelihoods_name_no_option(run_task: RunTask):
    ran = run_task("mmstar", Answering(lambda *_: "none of them"), extraction="loglikelihood")
    assert ran.verdicts == {"unparsed": 8}


class Judge:
    """Says the letter that the answer ends with; keeps what it was asked."""

    def __init__(self, reply: str | None = None) -> None:
        self.model = Answering(lambda task, sample: "")
        self.prompts: list[str] = []
        self.reply = reply
        self.model.answer = self.answer  # type: ignore[method-assign]

    def answer(self, requests: list[AnswerRequest]) -> list[object]:
        from harness.records import Response

        self.prompts += [request.prompt for request in requests]
        return [Response(text=self.reply or _letter(r.prompt)) for r in requests]


def _letter(prompt: str) -> str:
    answer = prompt.split("\nAnswer: ")[1].split("\n\nReply", maxsplit=1)[0]
    return answer[-1:] or "Z"


@pytest.fixture
def judge(run_task: RunTask) -> Judge:
    judge = Judge()
    models()._added["judge"] = lambda: judge.model
    return judge


def in_words(task: str, sample: Sample) -> str:
    """Half of the answers in words that exact matching can't read."""
    target = str(sample.target)
    return f"It looks like {target * 3}" if int(sample.id) % 2 else target


def test_a_judge_reads_what_exact_matching_can_not(run_task: RunTask, judge: Judge):
    assert run_task("mmstar", Answering(in_words)).verdicts == {"ok": 4, "unparsed": 4}
    ran = run_task(
        "mmstar", Answering(in_words), extraction="judge", judge="judge", calibration=0.0
    )
    assert ran.verdicts == {"ok": 8}
    assert len(judge.prompts) == 4
    assert all("Options:\nA. " in prompt for prompt in judge.prompts)
    (plan,) = read_manifest(ran.folder).tasks
    assert plan.protocol.judge is not None
    assert plan.protocol.judge.settings["temperature"] == 0
    assert "judge/option.v1 sha256:" in str(plan.protocol.judge.settings["template"])


def test_a_judges_agreement_with_exact_matching_is_reported(run_task: RunTask, judge: Judge):
    ran = run_task(
        "mmstar", Answering(in_words), extraction="judge", judge="judge", calibration=1.0
    )
    assert ran.result.extra["judge_agreement"] == {"compared": 4, "agree": 4, "share": 1.0}


def test_a_judge_that_names_no_option_has_failed(run_task: RunTask, judge: Judge):
    judge.reply = "I like them all"
    ran = run_task(
        "mmstar", Answering(in_words), extraction="judge", judge="judge", calibration=0.0
    )
    assert ran.verdicts == {"ok": 4, "judge_failed": 4}
    assert "named no option" in ran.reasons()["1#0"]
    assert ran.result.metrics[0].bound_low == pytest.approx(0.5)


def test_a_judge_that_sees_no_option_in_the_answer_means_wrong(run_task: RunTask, judge: Judge):
    judge.reply = "Z"
    ran = run_task(
        "mmstar", Answering(in_words), extraction="judge", judge="judge", calibration=0.0
    )
    assert ran.verdicts == {"ok": 4, "wrong": 4}


def test_the_calibration_set_is_a_function_of_names(run_task: RunTask, judge: Judge):
    ran = run_task(
        "mmstar", Answering(), extraction="judge", judge="judge", calibration=0.3, count=60
    )
    first = sorted(judge.prompts)
    assert 5 < len(first) < 30
    judge.prompts.clear()
    again = run_task(
        "mmstar",
        Answering(),
        extraction="judge",
        judge="judge",
        calibration=0.3,
        count=60,
        rearrange=lambda page: list(reversed(page)),
    )
    assert sorted(judge.prompts) == first
    assert again.result.extra == ran.result.extra


def test_a_served_endpoint_can_be_the_judge(run_task: RunTask, monkeypatch: pytest.MonkeyPatch):
    """Any OpenAI-compatible server reads answers; its key is written nowhere."""
    from tests.adapters.chat_server import chat_server

    secret = "sk-never-written"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    with chat_server() as server:
        server.answer = lambda body: "B"
        ran = run_task(
            "mmstar",
            Answering(in_words),
            extraction="judge",
            judge=f"openai:{server.url}",
            judge_args={"model": "reader"},
            calibration=0.0,
        )
    assert sum(ran.verdicts.values()) == 8
    assert set(ran.verdicts) <= {"ok", "wrong"}
    (plan,) = read_manifest(ran.folder).tasks
    assert plan.protocol.judge is not None
    assert plan.protocol.judge.id == "openai"
    files = [path for path in ran.folder.rglob("*") if path.is_file()]
    assert not any(secret.encode() in path.read_bytes() for path in files)
