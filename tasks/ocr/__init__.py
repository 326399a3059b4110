"""Text that a model draws or reconstructs, read by an OCR engine."""
