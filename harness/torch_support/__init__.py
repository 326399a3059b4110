"""What adapters of models in torch share. torch itself is imported only where it's used."""

from harness.torch_support.components import Call, Part, watch_parts
from harness.torch_support.counting import count_parameters, parts_of
from harness.torch_support.device import (
    choose_device,
    choose_dtype,
    device_name,
    one_of,
    wait_for,
)
from harness.torch_support.hashing import weights_sha256
from harness.torch_support.memory import guards_memory, let_go
from harness.torch_support.peaks import Peaks, measure_peaks
from harness.torch_support.precision import as_stated, without_tf32

__all__ = [
    "Call",
    "Part",
    "Peaks",
    "as_stated",
    "choose_device",
    "choose_dtype",
    "count_parameters",
    "device_name",
    "guards_memory",
    "let_go",
    "measure_peaks",
    "one_of",
    "parts_of",
    "wait_for",
    "watch_parts",
    "weights_sha256",
    "without_tf32",
]
