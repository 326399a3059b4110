"""The report that people open: tables, samples, pictures and comparisons, offline."""

from harness.report.builder import ReportSettings, build_report

__all__ = ["ReportSettings", "build_report"]
