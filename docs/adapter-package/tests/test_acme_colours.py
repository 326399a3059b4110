"""The adapter keeps the rules of adapters, and names colours."""

import pytest
from acme_colours.adapter import AcmeColours
from PIL import Image

from harness.records import AnswerRequest
from harness.registry import models


@pytest.fixture(scope="session")
def adapter():
    return AcmeColours()


def test_rules(adapter_rule, adapter):
    """Once for each check of `cheers-bench check-adapter`."""
    adapter_rule(adapter)


def test_the_entry_point_leads_here():
    assert models().get("acme-colours") is AcmeColours


@pytest.mark.parametrize("name", ["red", "green", "blue", "yellow"])
def test_a_picture_of_one_colour(adapter, name):
    request = AnswerRequest(prompt="which?", images=(Image.new("RGB", (9, 5), name),))
    assert adapter.answer([request])[0].text == name
