"""What a task's file could run, and what the user has to allow before it does."""

from __future__ import annotations

from harness.errors import SpecError
from tasks.lm_eval.metrics import downloaded
from tasks.lm_eval.source import Source, codes

__all__ = ["check"]


def check(source: Source, *, allow_code: bool, unsafe_code: bool) -> None:
    """Refuse what the user didn't allow.

    Functions of lm_eval's own files belong to an installed package and are run. Those that another
    file names, metrics that are downloaded as code, and promptsource templates need `allow_code`.
    Tasks that run what the model wrote need `unsafe_code`.

    Raises:
        SpecError: Something isn't allowed; the remedy says how to allow it.
    """
    if source.config.get("unsafe_code") and not unsafe_code:
        raise SpecError(
            f"{source.name} runs code that the model writes",
            f"run it where that can do no harm, with {_flag(source, 'unsafe_code')}",
        )
    reasons = [] if allow_code else _reasons(source)
    if reasons:
        raise SpecError(
            f"{source.name} would run code that isn't part of lm_eval: {'; '.join(reasons)}",
            f"read that code, then give {_flag(source, 'allow_code')}",
        )


def _reasons(source: Source) -> list[str]:
    functions = [
        f"{code.reference} named in {code.file}"
        for code in codes(source.config)
        if code.file in source.foreign
    ]
    metrics = [f"metric {name}, downloaded" for name in downloaded(source.config)]
    prompts = ["use_prompt"] if source.config.get("use_prompt") else []
    return functions + metrics + prompts


def _flag(source: Source, option: str) -> str:
    return f"--task-option {source.name}.{option}=true"
