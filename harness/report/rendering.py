"""The report's page: everything escaped, under a policy that lets nothing else run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.costs import QUANTITIES
from harness.pages import csp_hash
from harness.report.bundle import bundle, stylesheet
from harness.report.drawing import interval_mark
from harness.report.encoding import script_json
from harness.report.pairs import difference_mark
from harness.report.views import Report, cost_notes, cost_rows, page_data, planes
from harness.text import visible

__all__ = ["Block", "render_report"]

_BUFFERED = 64  # pieces of the page that are joined before they're written


class Block(msgspec.Struct, frozen=True):
    """A piece of data inside the page."""

    name: str
    """Name by which the script finds it."""

    body: str
    """JSON without dangerous characters, or the base64 text of a picture."""


def render_report(report: Report, path: Path, blocks: Iterable[Block], *, whole: bool) -> None:
    """Write the page, streamed.

    Args:
        report: What it shows.
        path: File to write.
        blocks: Data inside the page.
        whole: Whether the page is all there is; otherwise it may load files beside it.
    """
    style, script = stylesheet(), bundle()
    page = _environment().get_template("page.html.j2")
    stream = page.stream(
        report=report,
        blocks=_escaped(blocks),
        style=_trusted(style),
        script=_trusted(script),
        policy=_policy(style, script, whole=whole),
        data=_trusted(script_json(page_data(report))),
        **_helpers(report),
    )
    stream.enable_buffering(_BUFFERED)
    with path.open("w", encoding="utf-8") as file:
        stream.dump(file)


def _policy(style: str, script: str, *, whole: bool) -> str:
    """Nothing but the page's own style, script and data.

    `file:` is what a folder on a disk is; on a server it allows nothing.
    """
    own = "" if whole else " 'self' file:"
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{csp_hash(style)}'",
            f"script-src '{csp_hash(script)}'{own}",
            f"img-src data:{own}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["pretty"] = _pretty
    return environment


def _shown(value: Any) -> Any:
    """Text from outside with hidden characters made visible; trusted markup stays as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def _helpers(report: Report) -> dict[str, Any]:
    from harness.compare.numbers import readable
    from harness.leaderboard.numbers import arrow, heading, interval_text, value_text, verdict_text
    from harness.leaderboard.page import cell_view

    return {
        "arrow": arrow,
        "cell_view": cell_view,
        "change_row": readable,
        "difference_mark": difference_mark,
        "group_of": {
            (group.task, report.table.columns[group.columns[0]].protocol_hash): group.number
            for group in report.groups
            if report.indexes[group.number]
        }.get,
        "cost_notes": lambda group: cost_notes(report, group),
        "cost_rows": lambda group: cost_rows(report, group),
        "heading": heading,
        "interval_mark": interval_mark,
        "interval_text": interval_text,
        "planes": lambda group: planes(report, group),
        "quantities": QUANTITIES,
        "value_text": value_text,
        "verdict_text": verdict_text,
    }


def _pretty(value: Any) -> str:
    """A record or a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode()


def _trusted(text: str) -> Any:
    """Text of our own, or already safe inside a script."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 -- style and script are files of this package; data are escaped


def _escaped(blocks: Iterable[Block]) -> Iterator[tuple[str, Any]]:
    return ((block.name, _trusted(block.body)) for block in blocks)
