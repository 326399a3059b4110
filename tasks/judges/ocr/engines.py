"""OCR engines by name: known before they are loaded, then built once and shown their canary."""

from __future__ import annotations

import os
from typing import NamedTuple

from harness.errors import SpecError
from harness.names import suggest
from harness.records import Identity
from tasks.judges.ocr.interface import OCREngine

__all__ = ["ENGINE_NAMES", "EngineChoice"]

ENGINE_NAMES = ("rapidocr", "tesseract", "classical")
"""PP-OCR by rapidocr; the system's tesseract; the template reader of the embedded world."""

_MOST_THREADS = 8


class EngineChoice(NamedTuple):
    """The engine that a protocol names; nothing is loaded by looking at it."""

    name: str
    """One of `ENGINE_NAMES`."""

    threads: int = 0
    """Pictures read at the same time; 0 takes all processors of this process, at most eight. The
    text doesn't depend on it."""

    def identity(self) -> Identity:
        """What the engine is, with the hashes of its weights; no network is loaded for it.

        Raises:
            SpecError: There is no engine of that name.
        """
        match self._known():
            case "rapidocr":
                from tasks.judges.ocr.rapid import rapidocr_identity

                return rapidocr_identity()
            case "tesseract":
                from tasks.judges.ocr.tesseract import tesseract_identity

                return tesseract_identity()
        from tasks.judges.ocr.classical import classical_identity

        return classical_identity()

    def check(self) -> None:
        """Check that the engine can be built, cheaply.

        Raises:
            SpecError: There is no engine of that name.
            DataError: A package, program or file is missing; the remedy says how to get it.
        """
        match self._known():
            case "rapidocr":
                from tasks.judges.ocr.rapid import check_rapidocr

                check_rapidocr()
            case "tesseract":
                from tasks.judges.ocr.tesseract import check_tesseract

                check_tesseract()

    def build(self) -> OCREngine:
        """Load the engine and compare it with its recorded canary, if there is one.

        Raises:
            BenchError: It can't be loaded, or doesn't read its canary as recorded.
        """
        from tasks.judges.canary import check_canary

        engine = self.load()
        check_canary(engine)
        return engine

    def load(self) -> OCREngine:
        """Load the engine, canary or not.

        Raises:
            BenchError: It can't be loaded.
        """
        threads = self.threads or min(_MOST_THREADS, os.cpu_count() or 1)
        match self._known():
            case "rapidocr":
                from tasks.judges.ocr.rapid import RapidReader

                return RapidReader(threads)
            case "tesseract":
                from tasks.judges.ocr.tesseract import TesseractReader

                return TesseractReader(threads)
        from tasks.judges.ocr.classical import ClassicalReader

        return ClassicalReader()

    def _known(self) -> str:
        if self.name not in ENGINE_NAMES:
            hint = suggest(self.name, ENGINE_NAMES) or "it is one of " + ", ".join(ENGINE_NAMES)
            raise SpecError(f"unknown OCR engine {self.name!r}", hint)
        return self.name
