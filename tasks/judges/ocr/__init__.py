"""OCR engines behind one interface: pictures in, lines of text in reading order out."""

from tasks.judges.ocr.engines import ENGINE_NAMES, EngineChoice
from tasks.judges.ocr.interface import OCREngine, Reading, TextBox
from tasks.judges.ocr.order import reading_order

__all__ = ["ENGINE_NAMES", "EngineChoice", "OCREngine", "Reading", "TextBox", "reading_order"]
