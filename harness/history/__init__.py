"""Metrics over a row of runs: tables, plots, and where they first changed."""

from harness.history.measuring import Order, measure_history
from harness.history.records import ChangePoint, History, Point, Series
from harness.history.text import Format, render

__all__ = [
    "ChangePoint",
    "Format",
    "History",
    "Order",
    "Point",
    "Series",
    "measure_history",
    "render",
]
