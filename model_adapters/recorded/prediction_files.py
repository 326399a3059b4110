"""Files of predictions that other toolkits wrote, and which sample each row is for.

VLMEvalKit writes a table with `index` and `prediction` (and `question`) for each row of its data
file. lmms-eval writes JSON lines with `doc_id`, `input` (the prompt) and `filtered_resps`, and
`resps` where filters changed something.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

from harness.errors import AdapterError, NoResponseError
from harness.records import Sample
from model_adapters.recorded.answer_request import AnswerReplay

if TYPE_CHECKING:
    from harness.data import Row

__all__ = ["PredictionFile", "read_predictions"]

_TABLES = (".xlsx", ".tsv", ".csv", ".parquet")
_DAMAGE = (
    *(BadZipFile, zlib.error, EOFError, OSError, SyntaxError),  # XML that breaks is the last
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),  # parts that openpyxl misses
)
_RETURN = re.compile(r"_x000D_|\r", re.IGNORECASE)  # as workbooks write a carriage return
_MARKER = re.compile(r"<image \d>")

# What VLMEvalKit stores, verbatim, in the place of an answer that it couldn't get.
_FAILED_CALL = "Failed to obtain answer via API"


class _Prediction(NamedTuple):
    row: int
    text: str | None
    """The answer; `None` if the table's cell is blank."""
    asked: str
    """Question or prompt that the file names; empty if it names none."""


class PredictionFile:
    """Predictions by what they're named after.

    Args:
        kind: `vlmevalkit` or `lmms-eval`.
        name: Name of the file, for messages.
        by_name: Predictions by index (VLMEvalKit) or row number (lmms-eval).
        failures_are_answers: Whether failed calls and blank cells are served as answers.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        by_name: Mapping[str, _Prediction],
        *,
        failures_are_answers: bool = False,
    ) -> None:
        self.kind, self._name, self._by_name = kind, name, by_name
        self._failures_are_answers = failures_are_answers
        prompts = Counter(found.asked for found in by_name.values())
        self._by_prompt = {
            found.asked: found for found in by_name.values() if prompts[found.asked] == 1
        }

    def __len__(self) -> int:
        return len(self._by_name)

    def read(self, request: AnswerReplay) -> str:
        """The stored answer to a request.

        Raises:
            NoResponseError: There is none, it's to another question, or its call failed.
        """
        by_row = self.kind == "lmms-eval"
        return self._said(self._by_row(request) if by_row else self._by_index(request.sample))

    def _said(self, found: _Prediction) -> str:
        if self._failures_are_answers:
            return found.text or ""
        if found.text is None:
            raise NoResponseError(f"{self._name} row {found.row} has no prediction", missing=True)
        if _FAILED_CALL in found.text:
            raise NoResponseError(
                f"{self._name} row {found.row} holds a failed call: {found.text!r:.120}"
            )
        return found.text

    def _by_index(self, sample: Sample) -> _Prediction:
        index = _index(sample.data.get("index", sample.id))
        found = self._by_name.get(index)
        if found is None:
            raise NoResponseError(f"{self._name} has no row with index {index}", missing=True)
        asked, question = found.asked.strip(), str(sample.data.get("question", "")).strip()
        if asked and question and _plain(asked) != _plain(question):
            raise NoResponseError(
                f"{self._name} row {found.row} (index {index}) answers {asked!r:.120}, not "
                f"{question!r:.120}: it was made for other data"
            )
        return found

    def _by_row(self, request: AnswerReplay) -> _Prediction:
        """By the very prompt; else by number, if the prompt there holds question and options."""
        number, question = str(request.sample.data.get("row")), request.sample.data.get("question")
        if request.prompt in self._by_prompt:
            return self._by_prompt[request.prompt]
        found = self._by_name.get(number)
        if found is not None and _holds(found.asked, request.sample):
            return found
        if found is None:
            raise NoResponseError(f"{self._name} has no doc_id {number}", missing=True)
        raise NoResponseError(
            f"{self._name} doc_id {number} was asked {found.asked!r:.120}, which isn't "
            f"{question!r:.120}: give the data file that lmms-eval read, in its order"
        )


def read_predictions(path: Path, *, failures_are_answers: bool = False) -> PredictionFile:
    """Read a file of predictions.

    Args:
        path: `.xlsx`, `.tsv`, `.csv` or `.parquet` of VLMEvalKit, or `.jsonl` of lmms-eval.
        failures_are_answers: Whether failed calls and blank cells are served as answers.

    Raises:
        AdapterError: It isn't there, lacks a column, is damaged, or names a sample twice.
    """
    if not path.is_file():
        raise AdapterError(f"there is no file {path}", "name it as --model predictions:FILE")
    kind, by_name = _rows(path)
    return PredictionFile(kind, path.name, by_name, failures_are_answers=failures_are_answers)


def _rows(path: Path) -> tuple[str, dict[str, _Prediction]]:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return "lmms-eval", _unique(path, _lmms_eval(path), "doc_id")
    if suffix in _TABLES:
        return "vlmevalkit", _unique(path, _vlmevalkit(path), "index")
    raise AdapterError(
        f"{path} is no file of predictions that is known by its suffix",
        f"give one of {', '.join(_TABLES)} (VLMEvalKit) or .jsonl (lmms-eval)",
    )


def _unique(
    path: Path, rows: Iterator[tuple[str, _Prediction]], what: str
) -> dict[str, _Prediction]:
    found: dict[str, _Prediction] = {}
    for name, prediction in rows:
        if name in found:
            raise AdapterError(
                f"{path}: rows {found[name].row} and {prediction.row} both have {what} {name}",
                "give one prediction for each sample",
            )
        found[name] = prediction
    if not found:
        raise AdapterError(f"{path} holds no prediction", "give the file unchanged")
    return found


def _vlmevalkit(path: Path) -> Iterator[tuple[str, _Prediction]]:
    rows = _workbook(path) if path.suffix.lower() == ".xlsx" else _table(path)
    for number, row in rows:
        for column in ("index", "prediction"):
            if column not in row:
                raise AdapterError(
                    f"{path} has no column {column!r}; it has {', '.join(map(repr, row))}",
                    "give the file of predictions, not one of results",
                )
        said = row["prediction"] or None  # blank: no table tells an empty answer from none
        yield _index(row["index"]), _Prediction(number, said, row.get("question", ""))


def _table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    from harness.data import open_table

    table = open_table(path)
    for row in table:
        yield row.number, {name: _verbatim(row, name) for name in table.columns}


def _verbatim(row: Row, name: str) -> str:
    """A cell's own text: "None", which tables read as no cell, may be what a model said."""
    value = row.value(name)
    return value if isinstance(value, str) else row[name]


def _workbook(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise AdapterError(
            f"{path} is a workbook, and openpyxl is missing", "pip install 'cheers-bench[xlsx]'"
        ) from error
    try:
        book = load_workbook(path, read_only=True)  # formulas as text: "=B" is what a model said
        try:
            rows = book.worksheets[0].iter_rows(values_only=True)
            head = [_cell(value) for value in next(rows, ())]
            for number, values in enumerate(rows):
                yield number, dict(zip(head, map(_cell, values), strict=False))
        finally:
            book.close()
    except _DAMAGE as error:
        raise AdapterError(f"{path} is no workbook: {error}", "give the file unchanged") from error


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _holds(asked: str, sample: Sample) -> bool:
    """Whether a prompt asks a sample's question: many rows of other order have the same words."""
    options: Any = sample.data.get("options", {})
    prompt = _plain(asked)
    return all(_plain(str(t)) in prompt for t in (sample.data.get("question"), *options.values()))


def _plain(text: str) -> str:
    """A question without what files of predictions change: white space, numbers of pictures."""
    return " ".join(_MARKER.sub("<image>", _RETURN.sub("", text)).split())


def _index(value: object) -> str:
    """An index as text; `12.0`, which a spreadsheet makes of it, is 12."""
    text = str(value).strip()
    return text.removesuffix(".0") if text.removesuffix(".0").isdecimal() else text


def _lmms_eval(path: Path) -> Iterator[tuple[str, _Prediction]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            record = _record(path, number, line)
            text = _first_text(record.get("resps", record.get("filtered_resps")))
            if "doc_id" not in record or text is None:
                raise AdapterError(
                    f"{path} line {number + 1} lacks doc_id, or resps and filtered_resps",
                    "give the file SAMPLES.jsonl that `lmms-eval --log_samples` writes",
                )
            yield str(record["doc_id"]), _Prediction(number, text, str(record.get("input", "")))


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise AdapterError(
            f"{path} line {number + 1} is no JSON: {error}", "give the file unchanged"
        ) from error
    if not isinstance(record, dict):
        raise AdapterError(f"{path} line {number + 1} holds no object", "give the file unchanged")
    return record


def _first_text(value: object) -> str | None:
    """The model's text in lists of lists; lmms-eval flattens some and not others.

    Half a character, which JSON can hold and files can't, becomes a question mark.
    """
    while isinstance(value, list):
        if not value:
            return None
        value = value[0]
    return value.encode(errors="replace").decode() if isinstance(value, str) else None
