"""What components took, summed over their phases."""

from __future__ import annotations

from harness.components import ComponentWork, seconds_by_component


def took(seconds: float | None) -> ComponentWork:
    return ComponentWork(
        calls=1,
        seconds=seconds,
        flops=1.0,
        traffic_bytes=1,
        weight_bytes=0,
        cache_bytes=0,
    )


def test_phases_add_up_and_order_is_kept():
    watched = {
        "tower": took(2.0),
        "llm/prefill": took(1.0),
        "head": took(0.0),
        "llm/d/x": took(4.0),
    }
    found = seconds_by_component(watched)
    assert list(found.items()) == [("tower", 2.0), ("llm", 5.0), ("head", 0.0)]


def test_counted_components_took_no_time_that_is_known():
    assert seconds_by_component({"tower": took(None), "llm/decode": took(None)}) == {}
    assert seconds_by_component({}) == {}
