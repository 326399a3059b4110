"""Published numbers beside ours: are they reproduced, and if not, why?"""

from harness.published.numbers import PublishedNumber, published_folder, read_published
from harness.published.records import LeftOut, Line, Reproduction, Verdict
from harness.published.reproduction import reproduce
from harness.published.table import PublishedTable, published_table
from harness.published.text import to_json, to_markdown
from harness.published.versus import Versus, versus
from harness.published.versus_text import versus_markdown

__all__ = [
    "LeftOut",
    "Line",
    "PublishedNumber",
    "PublishedTable",
    "Reproduction",
    "Verdict",
    "Versus",
    "published_folder",
    "published_table",
    "read_published",
    "reproduce",
    "to_json",
    "to_markdown",
    "versus",
    "versus_markdown",
]
