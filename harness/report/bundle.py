"""The page's scripts as one: modules that a page on a disk may not import, joined in order."""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["MODULES", "bundle", "stylesheet"]

MODULES = (
    "text",
    "dom",
    "shards",
    "route",
    "tables",
    "filters",
    "row",
    "virtual",
    "overlay",
    "browser",
    "dialog",
    "views",
    "main",
)
"""Names of the modules, each after those that it imports."""

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (?P<name>\w+))", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)


def bundle(modules: tuple[str, ...] = MODULES) -> str:
    """Join the modules of `harness/report/page` into one script.

    Raises:
        ValueError: A module imports what no earlier one exports, or two use one name.
    """
    exported: dict[str, set[str]] = {}
    taken: dict[str, str] = {}
    parts = []
    for module in modules:
        text = (files("harness.report") / "page" / f"{module}.js").read_text(encoding="utf-8")
        _check_imports(module, text, exported)
        exported[module] = {found["name"] for found in _EXPORT.finditer(text)}
        plain = _EXPORT.sub("", _IMPORT.sub("", text))
        _check_names(module, plain, taken)
        parts.append(plain.strip())
    return "\n\n".join(parts) + "\n"


def stylesheet() -> str:
    """The style that all pages share, then the report's own."""
    shared = files("harness") / "page" / "page.css"
    own = files("harness.report") / "page" / "report.css"
    return shared.read_text(encoding="utf-8") + own.read_text(encoding="utf-8")


def _check_imports(module: str, text: str, exported: dict[str, set[str]]) -> None:
    for found in _IMPORT.finditer(text):
        names = {name.strip() for name in found[1].split(",") if name.strip()}
        missing = sorted(names - exported.get(found[2], set()))
        if missing:
            raise ValueError(f"{module}.js imports {missing[0]}, which {found[2]}.js lacks")


def _check_names(module: str, text: str, taken: dict[str, str]) -> None:
    for name in _NAME.findall(text):
        if name in taken:
            raise ValueError(f"{module}.js and {taken[name]}.js both use the name {name}")
        taken[name] = module
