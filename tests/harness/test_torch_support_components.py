"""Watching modules, against work that is counted by hand."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.torch_support import Call, Part, Peaks, measure_peaks, watch_parts


class Sleepy(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.02)
        return super().forward(x)


class Attention(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


def test_seconds_and_calls_are_those_of_each_part():
    slow, fast = Sleepy(4, 4), nn.Linear(4, 4)
    with watch_parts({"slow": Part(slow), "fast": Part(fast)}, "cpu", count=False) as found:
        for _ in range(3):
            fast(slow(torch.zeros(2, 4)))
    assert found["slow"].calls == found["fast"].calls == 3
    assert found["slow"].seconds >= 0.06
    assert found["fast"].seconds < found["slow"].seconds
    assert found["slow"].flops is found["slow"].traffic_bytes is None
    assert len(found["slow"].gaps_s) == 2
    assert all(gap >= 0.02 for gap in found["slow"].gaps_s)


def test_work_is_counted_as_by_hand():
    linear = nn.Linear(8, 16, bias=False)
    with watch_parts({"linear": Part(linear)}, "cpu", count=True) as found:
        linear(torch.zeros(4, 8))
    (one,) = found.values()
    assert one.flops == 2 * 4 * 8 * 16
    assert one.weight_bytes == 8 * 16 * 4
    assert one.traffic_bytes == (8 * 16 + 4 * 8 + 4 * 16) * 4
    assert one.seconds is None


def test_a_convolution_s_work_is_counted():
    conv = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    with watch_parts({"conv": Part(conv)}, "cpu", count=True) as found:
        conv(torch.zeros(2, 3, 10, 12))
    assert found["conv"].flops == 2 * 2 * 10 * 12 * 5 * 3 * 9


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_attention_on_the_processor_is_counted(kind: torch.dtype):
    module = Attention()
    q, k, v = (torch.zeros(2, 4, n, 16, dtype=kind) for n in (5, 9, 9))
    with torch.no_grad(), watch_parts({"a": Part(module)}, "cpu", count=True) as found:
        module(q, k, v)
    assert found["a"].flops == 2 * (2 * 2 * 4 * 5 * 9 * 16)  # scores, and values


def test_phases_are_apart_and_share_their_weights_once():
    linear = nn.Linear(4, 4, bias=False)

    def phase(call: Call) -> str:
        return "many" if len(call.args[0]) > 1 else "one"

    part = Part(linear, phase=phase, cache_bytes=lambda call: 100 * len(call.args[0]))
    with watch_parts({"llm": part}, "cpu", count=True) as found:
        for rows in (3, 1, 1):
            linear(torch.zeros(rows, 4))
    assert set(found) == {"llm/many", "llm/one"}
    assert (found["llm/many"].calls, found["llm/one"].calls) == (1, 2)
    assert found["llm/many"].weight_bytes == 64
    assert found["llm/one"].weight_bytes == 0
    assert found["llm/many"].cache_bytes == 300
    assert found["llm/one"].traffic_bytes == 2 * (64 + 100 + 16 + 16)


def test_shared_weights_are_counted_once_but_read_by_each():
    table, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    head.weight = table.weight
    with watch_parts({"table": Part(table), "head": Part(head)}, "cpu", count=True) as found:
        head(table(torch.zeros(3, dtype=torch.long)))
    assert (found["table"].weight_bytes, found["head"].weight_bytes) == (160, 0)
    assert found["table"].traffic_bytes == 3 * 8 + 3 * 4 * 4  # a lookup doesn't read the table
    assert found["head"].traffic_bytes == 160 + 3 * 4 * 4 + 3 * 10 * 4


def test_weights_that_no_call_uses_are_neither_read_nor_counted():
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 9)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

    tower = Tower()
    with watch_parts({"t": Part(tower, unused=(tower.head,))}, "cpu", count=True) as found:
        tower(torch.zeros(1, 4))
    assert found["t"].weight_bytes == 4 * 4 * 4
    assert found["t"].traffic_bytes == 4 * 4 * 4 + 2 * 4 * 4


def test_nothing_is_left_in_the_model():
    linear = nn.Linear(2, 2)
    with (
        pytest.raises(RuntimeError, match="broken"),
        watch_parts({"a": Part(linear)}, "cpu", count=False) as found,
    ):
        raise RuntimeError("broken")
    assert found == {}
    assert not linear._forward_hooks
    assert not linear._forward_pre_hooks


def test_peaks_are_plausible_and_no_product_beats_them_by_much():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    peaks = measure_peaks("cpu", "float32")
    torch.set_num_threads(before)
    assert 1e9 < peaks.flops_per_s < 1e13
    assert 1e8 < peaks.bytes_per_s < 1e12


def test_the_roof_has_two_sides():
    peaks = Peaks(flops_per_s=100.0, bytes_per_s=10.0, matmul_side=1, copy_mib=1)
    assert (peaks.bound_s(200, 10), peaks.bound_by(200, 10)) == (2.0, "compute")
    assert (peaks.bound_s(50, 10), peaks.bound_by(50, 10)) == (1.0, "memory")


def test_on_a_gpu_events_are_put_into_the_stream_and_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
):
    waits: list[str] = []
    ticks = iter(range(100))

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.at: int | None = None

        def record(self, stream: object) -> None:
            assert stream == "stream"
            self.at = next(ticks)

        def elapsed_time(self, end: Event) -> float:
            assert waits  # before that, times aren't known
            return 1000.0 * (end.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "stream")
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    linear = nn.Linear(2, 2)
    with watch_parts({"a": Part(linear)}, "cuda", count=False) as found:
        linear(torch.zeros(1, 2))
        linear(torch.zeros(1, 2))
        assert not waits
    assert waits == ["cuda"]
    assert found["a"].seconds == 2.0  # from 0 to 1, and from 2 to 3
    assert found["a"].gaps_s == (2.0,)
