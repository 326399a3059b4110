"""From a document to its one request. The request's parts are kept in the sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import DataError, SpecError
from harness.records import (
    AnswerRequest,
    JsonValue,
    LogLikelihoodRequest,
    Request,
    Sample,
    TextDecoding,
)
from tasks.lm_eval.identity import doc_digest
from tasks.lm_eval.loading import Loaded

__all__ = ["decoding_of", "make_request", "make_samples", "shape"]

_MAX_NEW_TOKENS = 256  # what HFLM generates at most where a task says nothing
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_KNOWN = (*_LENGTHS, "until", "do_sample", "temperature", "top_p", "num_beams")


def make_samples(loaded: Loaded, *, seed: int, chat: bool) -> Iterator[Sample]:
    """One sample per document, in order; the few-shot sampler starts anew with each call.

    lm-eval draws the examples of one document after another from one generator, so prompts are
    made in order and kept in the sample: a resumed run asks what an uninterrupted one would have.

    Args:
        loaded: The task.
        seed: Seed of the few-shot sampler.
        chat: Whether prompts are made for a chat template.

    Raises:
        DataError: The task can't be put into a chat message.
    """
    task = loaded.task
    task.set_fewshot_seed(seed)
    form = {"apply_chat_template": chat, "chat_template": _message if chat else None}
    for number, doc in enumerate(loaded.docs):
        context = task.fewshot_context(
            doc,
            num_fewshot=loaded.shots,
            fewshot_as_multiturn=False,
            gen_prefix=task.doc_to_prefix(doc),
            **form,
        )
        made = task.construct_requests(
            doc=doc, ctx=context, metadata=(task.config.task, number, 1), **form
        )
        instances = made if isinstance(made, list) else [made]
        yield Sample(
            id=str(number),
            target=_plain_target(task.doc_to_target(doc)),
            data={**shape([i.args for i in instances]), "doc_sha256": doc_digest(doc)},
        )


def shape(arguments: Sequence[tuple[Any, ...]]) -> dict[str, JsonValue]:
    """lm-eval's arguments of one document's instances, without saying anything twice.

    Example:
        >>> shape([("2 + 2 =", " 4"), ("2 + 2 =", " 5")])
        {'context': '2 + 2 =', 'continuations': [' 4', ' 5']}
        >>> shape([("A", " x"), ("", " x")])
        {'contexts': ['A', ''], 'continuations': [' x', ' x']}
        >>> shape([("a long text",)])
        {'text': 'a long text'}
        >>> shape([("Say:", {"until": ["."]})])
        {'context': 'Say:'}
    """
    first = arguments[0]
    if len(first) == 1:
        return {"text": first[0]}
    if isinstance(first[1], Mapping):
        return {"context": first[0]}
    contexts, continuations = map(list, zip(*arguments, strict=True))
    if len(set(contexts)) == 1:
        return {"context": contexts[0], "continuations": continuations}
    return {"contexts": contexts, "continuations": continuations}


def make_request(
    data: Mapping[str, Any], decoding: TextDecoding, *, seed: int, chat: bool
) -> Request:
    """The request of a sample.

    Args:
        data: What `shape` made.
        decoding: Of a task that generates text.
        seed: Seed of the request.
        chat: Whether the model's chat template goes around the context.

    Raises:
        DataError: A chat message can't ask for it.
    """
    if "text" in data:
        return LogLikelihoodRequest(
            prompt="", continuations=(data["text"],), rolling=True, raw=True, seed=seed
        )
    if "continuations" not in data:
        return AnswerRequest(prompt=data["context"], decoding=decoding, raw=not chat, seed=seed)
    contexts = data.get("contexts")
    if chat and contexts is not None:
        raise DataError(
            "each choice has a context of its own, which one chat message can't hold",
            "leave the option chat out",
        )
    return LogLikelihoodRequest(
        prompt=data.get("context", ""),
        contexts=None if contexts is None else tuple(contexts),
        continuations=tuple(data["continuations"]),
        raw=not chat,
        seed=seed,
    )


def decoding_of(name: str, kwargs: Mapping[str, Any]) -> TextDecoding:
    """lm-eval's generation arguments as this harness says them.

    Args:
        name: Registry name of the task, for messages.
        kwargs: The task's `generation_kwargs`.

    Raises:
        SpecError: An argument isn't known here, so it couldn't be obeyed.

    Example:
        >>> found = decoding_of("t", {"until": ["Q:"], "max_gen_toks": 8, "do_sample": False})
        >>> found == TextDecoding(max_new_tokens=8, stop=("Q:",))
        True
    """
    unknown = sorted(set(kwargs) - set(_KNOWN))
    if unknown:
        raise SpecError(
            f"{name}: generation_kwargs has {unknown[0]!r}, which can't be passed to models here",
            f"known are {', '.join(_KNOWN)}",
        )
    until = kwargs.get("until") or ()
    lengths = [kwargs[key] for key in _LENGTHS if kwargs.get(key) is not None]
    temperature = float(kwargs.get("temperature") or 0.0)
    sampled = kwargs.get("do_sample")
    return TextDecoding(
        max_new_tokens=int(lengths[0]) if lengths else _MAX_NEW_TOKENS,
        # Sampling without a temperature is sampling at 1, as transformers does it.
        temperature=0.0 if sampled is False else temperature or (1.0 if sampled else 0.0),
        top_p=float(kwargs.get("top_p") or 1.0),
        num_beams=int(kwargs.get("num_beams") or 1),
        stop=(until,) if isinstance(until, str) else tuple(until),
    )


def _message(messages: Sequence[Mapping[str, str]], **_: Any) -> str:
    """lm-eval's messages as the one message of the user that a request holds."""
    if messages[-1]["role"] == "assistant":
        raise DataError(
            "the task begins the assistant's answer (gen_prefix), which a chat request can't",
            "leave the option chat out",
        )
    return "\n\n".join(message["content"] for message in messages)


def _plain_target(target: Any) -> JsonValue:
    if isinstance(target, list):
        return [_plain_target(part) for part in target]
    return target if isinstance(target, str | int | float | None) else str(target)
