"""Self-contained HTML pages: no request leaves them, everything from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

__all__ = ["csp_hash", "render_page"]


def render_page(package: str, folder: str, **context: Any) -> str:
    """Render `page.html.j2` of a package's folder with the shared style and its own script.

    The page's content-security policy allows that style and script by hash and nothing else.

    Args:
        package: Package that holds the template.
        folder: Folder in it with `page.html.j2`, and `page.js` if the page has a script.
        context: What the template shows; all of it is escaped.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, folder), PackageLoader("harness", "page")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = files(package) / folder / "page.js"
    script = own.read_text(encoding="utf-8") if own.is_file() else ""
    style = (files("harness") / "page" / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        style=style,
        script=script,
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
        **context,
    )


def csp_hash(text: str) -> str:
    """The source expression by which a content-security policy allows an inline element.

    Example:
        >>> csp_hash("")
        'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
