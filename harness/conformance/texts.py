"""Decoding settings are honoured, and every prompt is answered or refused with a reason."""

from __future__ import annotations

from harness.conformance.inputs import MAY_BE_REFUSED, ODD_PROMPTS
from harness.conformance.records import NotApplicable, WrongError
from harness.conformance.subject import Subject
from harness.errors import BenchError
from harness.records import Capability, FinishReason, TextDecoding

__all__ = ["length_limit", "odd_prompts", "stop_strings"]

_BRIEF = TextDecoding(max_new_tokens=4)


def length_limit(subject: Subject) -> str:
    """An answer has at most the tokens that were allowed, and says so when it's cut."""
    subject.demand(Capability.ANSWER)
    decoding = TextDecoding(max_new_tokens=3)
    responses = subject.together(subject.requests(Capability.ANSWER, decoding=decoding))
    counts = [response.usage.completion_tokens for response in responses]
    known = [count for count in counts if count is not None]
    if not known:
        raise NotApplicable("the adapter doesn't count tokens")
    if max(known) > 3:
        raise WrongError(f"{max(known)} tokens came where 3 were allowed")
    cut = sum(response.finish_reason is FinishReason.LENGTH for response in responses)
    return f"{cut} of {len(responses)} answers were cut"


def stop_strings(subject: Subject) -> str:
    """An answer ends before the first stop string."""
    subject.demand(Capability.ANSWER)
    whole = subject.alone([subject.request(Capability.ANSWER, 1)])[0].text or ""
    if len(whole) < 2:
        raise NotApplicable(f"the answer {whole!r} is too short to be cut")
    stop = whole[len(whole) // 2]
    asked = subject.request(
        Capability.ANSWER, 1, decoding=TextDecoding(max_new_tokens=8, stop=("", stop))
    )
    cut = subject.alone([asked])[0].text
    want = whole[: whole.index(stop)]
    if cut != want:
        raise WrongError(f"with stop={stop!r} came {cut!r:.60}, not {want!r:.60}")
    return f"cut at {stop!r}"


def odd_prompts(subject: Subject) -> str:
    """Empty, huge, Unicode, control characters: a response, or an error that says why."""
    kinds = subject.demand(Capability.ANSWER, Capability.GENERATE_IMAGE)
    return "; ".join(_odd_prompts(subject, capability) for capability in kinds)


def _odd_prompts(subject: Subject, capability: Capability) -> str:
    ordinary = [subject.request(capability, 3)]
    before = subject.alone(ordinary)
    served = {name: _serves(subject, capability, name, text) for name, text in ODD_PROMPTS.items()}
    for _, said in subject.differences(before, subject.alone(ordinary)):
        raise WrongError(f"after odd prompts an ordinary one is served otherwise: {said}")
    refused = ", ".join(name for name, done in served.items() if not done)
    return f"{capability.value}: all but {refused}" if refused else f"{capability.value}: all"


def _serves(subject: Subject, capability: Capability, name: str, prompt: str) -> bool:
    fields = {"decoding": _BRIEF} if capability is Capability.ANSWER else {}
    try:
        subject.alone([subject.request(capability, 3, prompt=prompt, images=(), **fields)])
    except BenchError as error:
        if name not in MAY_BE_REFUSED:
            raise WrongError(f"the prompt {name!r} is refused: {error.what:.200}") from error
        return False
    except Exception as error:
        raise WrongError(f"the prompt {name!r} ends in {type(error).__name__}: {error}") from error
    return True
