"""Prompt templates: versioned files, and the text that they make of a row.

What a model is sent is in `templates/STYLE/NAME.vN.j2`, character for character (Jinja2 without
escapes). A template is never changed once scores carry it: another wording is another file. Its
hash, over everything that it includes, is part of the protocol.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template

__all__ = ["TEMPLATES", "identify", "render", "source"]

TEMPLATES = Path(__file__).parent / "templates"
"""Folder of the templates."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_DIGITS = 12


def render(name: str, values: Mapping[str, object]) -> str:
    r"""The prompt that a template makes.

    Args:
        name: Such as `cheers/choice.v1`.
        values: What stands for the template's names, none of which may be missing.

    Raises:
        jinja2.UndefinedError: A value is missing.

    Example:
        >>> render("lmms-eval/yes-no.v1", {"question": "Is it red?"})
        'Is it red?\nAnswer the question using a single word or phrase.'
    """
    return _template(name).render(values)


def identify(name: str) -> str:
    """Name and hash of a template with all that it includes, for the protocol.

    Example:
        >>> identify("vlmevalkit/question.v1")
        'vlmevalkit/question.v1 sha256:ef6fb466fa88'
    """
    text = "\0".join(_sources(name))
    return f"{name} sha256:{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def source(name: str) -> str:
    """The text of a template.

    Raises:
        FileNotFoundError: There is no such template.
    """
    return (TEMPLATES / f"{name}.j2").read_text(encoding="utf-8")


def _sources(name: str) -> Iterator[str]:
    """Texts of a template and of those that it includes, in order."""
    from jinja2 import meta

    text = source(name)
    yield text
    for included in meta.find_referenced_templates(_environment().parse(text)):
        yield from _sources(str(included).removesuffix(".j2"))


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.j2")


@cache
def _environment() -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # a prompt is plain text for a model, never a page
    )
    environment.tests["chinese"] = lambda text: bool(_CHINESE.search(str(text)))
    return environment
