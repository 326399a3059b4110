"""The table as Markdown, CSV, JSON and LaTeX. Labels are hostile input in all of them."""

from __future__ import annotations

import csv
import io

from harness.errors import SpecError
from harness.layout import json_text, table_row
from harness.leaderboard.numbers import cell_text, heading, interval_text, value_text, verdict_text
from harness.leaderboard.published import published_heading, published_markdown, published_text
from harness.leaderboard.table import Cell, Column, Row, Table
from harness.published.table import PublishedTable, remarks
from harness.records import TaskStatus
from harness.text import markdown, one_line

__all__ = ["to_csv", "to_json", "to_latex", "to_markdown"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    **{character: "\\" + character for character in "&%$#_{}"},
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_markdown(table: Table) -> str:
    """The table, then verdict counts where they matter, then the protocols."""
    head = ["model", *(markdown(heading(column)) for column in table.columns)]
    rule = ["---", *["---:"] * len(table.columns)]
    # Numbers are this module's own text; only names come from outside.
    rows = [[markdown(_label(row)), *_texts(row, table)] for row in table.rows]
    published = [] if table.published is None else published_markdown(table.published)
    return "\n".join([*map(table_row, [head, rule, *rows]), "", *_notes(table), "", *published])


def to_csv(table: Table) -> str:
    """One line per run and column, at full precision.

    Raises:
        SpecError: There are published numbers, which have no place in the columns of measured ones.
    """
    if table.published is not None:
        raise SpecError(
            "a CSV file is one table, and published numbers don't stand among measured ones",
            "leave them out, or write md, html, tex or json",
        )
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_HEAD)
    for row in table.rows:
        for cell, column in zip(row.cells, table.columns, strict=True):
            writer.writerow([_csv_safe(value) for value in _csv_row(row, cell, column)])
    return stream.getvalue()


def to_json(table: Table) -> str:
    """The whole table with protocols and fingerprints."""
    return json_text(table)


def to_latex(table: Table) -> str:
    """A `tabular` for the booktabs package; intervals stand below the values."""
    columns = "l" + "r" * len(table.columns)
    head = " & ".join(_tex(text) for text in ["model", *map(heading, table.columns)])
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head + r" \\", r"\midrule"]
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        lines.append(" & ".join([_tex(_label(row)), *(_tex_cell(*c) for c in cells)]) + r" \\")
    protocols = [f"% {one_line(text)}" for text in _protocol_lines(table)]
    published = [] if table.published is None else _published_tex(table.published)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *protocols, "", *published])


def _published_tex(published: PublishedTable) -> list[str]:
    names = ["model", *map(published_heading, published.columns)]
    lines = [r"\begin{tabular}{l" + "r" * len(published.columns) + "}", r"\toprule"]
    lines += [" & ".join(map(_tex, names)) + r" \\", r"\midrule"]
    for row in published.rows:
        lines.append(" & ".join(map(_tex, [row.model, *map(published_text, row.cells)])) + r" \\")
    notes = [
        f"% published, not measured here: {one_line(': '.join(r))}" for r in remarks(published)
    ]
    return [*lines, r"\bottomrule", r"\end{tabular}", *notes, ""]


def _label(row: Row) -> str:
    return f"{row.label} (control)" if row.control else row.label


def _texts(row: Row, table: Table) -> list[str]:
    pairs = zip(row.cells, table.columns, strict=True)
    return [cell_text(cell, column) for cell, column in pairs]


def _notes(table: Table) -> list[str]:
    """What the numbers don't say: unclear verdicts, notes, protocols."""
    lines = [
        f"- {markdown(_label(row))}, {column.task}: {verdict_text(cell)}"
        for row in table.rows
        for cell, column in zip(row.cells, table.columns, strict=True)
        if column.primary and _is_unclear(cell)
    ]
    lines += _row_notes(table)
    protocols = [f"- {markdown(text)}" for text in _protocol_lines(table)]
    unclear = ["Verdicts that aren't simply right or wrong, and notes:", "", *lines, ""]
    return [
        *(unclear if lines else []),
        "95% intervals in brackets, clustered by prompt. Fractions in percent. Protocols:",
        "",
        *protocols,
    ]


def _row_notes(table: Table) -> list[str]:
    return [
        f"- {markdown(_label(row))}, {column.task}: {markdown(note)}"
        for row in table.rows
        for cell, column in zip(row.cells, table.columns, strict=True)
        if column.primary
        for note in cell.notes
    ]


def _is_unclear(cell: Cell) -> bool:
    return any(name not in ("ok", "wrong") for name in cell.verdicts)


def _protocol_lines(table: Table) -> list[str]:
    lines = {
        column.protocol_hash: f"{column.task}: {column.protocol.id} {column.protocol_hash}"
        f", seed {column.protocol.seed}"
        for column in table.columns
    }
    return list(lines.values())


_CSV_HEAD = [
    *("model", "control", "task", "metric", "protocol", "protocol_hash", "status", "value"),
    *("low", "high", "bound_low", "bound_high", "n", "clusters", "unit", "direction"),
    *("verdicts", "total", "weights_sha256", "folder"),
]


def _csv_row(row: Row, cell: Cell, column: Column) -> list[object]:
    value = cell.value
    fields = ("value", "low", "high", "bound_low", "bound_high", "n", "clusters")
    numbers = [getattr(value, name) if value is not None else None for name in fields]
    status = cell.status.value if cell.status is not None else "absent"
    return [
        *(row.label, row.control, column.task, column.metric.name),
        *(column.protocol.id, column.protocol_hash, status, *numbers),
        *(column.metric.unit, column.metric.direction.value, verdict_text(cell), cell.total),
        *(row.fingerprint.weights_sha256, row.folder),
    ]


def _csv_safe(value: object) -> object:
    """Texts that a spreadsheet would run as a formula get a leading apostrophe."""
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def _tex_cell(cell: Cell, column: Column) -> str:
    if cell.status in (None, TaskStatus.NOT_APPLICABLE):
        return _tex(cell_text(cell, column))
    mark = r"\textsuperscript{inc.}" if cell.status is TaskStatus.INCOMPLETE else ""
    interval = interval_text(cell, column)
    below = rf" {{\scriptsize {_tex(interval)}}}" if interval else ""
    return _tex(value_text(cell, column)) + mark + below


def _tex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in one_line(text))
