"""Named ways to read and draw images, each as some released script does it; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import SpecError
from harness.records import JsonValue, Record
from harness.torch_support import one_of

__all__ = ["PREPROCESSING", "PRESETS", "Preset", "Sampling", "choose_preset", "sampling_of"]

PREPROCESSING = ("evaluation", "demo", "demo-antialiased")
"""How pixels are brought to the tower's size: see `model_adapters.tar.images.to_pixels`."""

IMAGE_TOKENS = ("argmax", "sampled")
"""Nearest code, or a draw from softmax(similarity / temperature)."""


class Sampling(Record, frozen=True, kw_only=True):
    """How the next token is chosen."""

    temperature: float = 1.0
    """0 takes the likeliest token."""

    top_p: float = 1.0
    """Sample from the fewest likeliest tokens whose probabilities exceed this; 1 is all."""

    top_k: int = 0
    """Sample from this many likeliest tokens; 0 is all."""

    repetition_penalty: float = 1.0
    """Logits of tokens already there are divided (positive) or multiplied (negative) by it."""

    penalise_prompt: bool = False
    """Whether the prompt's tokens count as already there."""


class Preset(Record, frozen=True, kw_only=True):
    """How images are read, and how image tokens are written."""

    image_tokens: str = "argmax"
    """One of `IMAGE_TOKENS`, for images that are read."""

    preprocess: str = "evaluation"
    """One of `PREPROCESSING`."""

    temperature: float = 1.0
    """Of the image tokens that the language model writes; 0 takes the likeliest."""

    top_p: float | None = 0.95
    """`None` takes what the checkpoint's generation_config.json says."""

    top_k: int | None = 1200
    """`None` takes what the checkpoint's generation_config.json says."""

    checkpoint_penalty: bool = False
    """Whether the repetition penalty of generation_config.json applies."""

    penalise_prompt: bool = False
    """Whether it counts the prompt's tokens."""

    cfg_scale: float = 4.0
    """Guidance of the de-tokenizer where a task names none."""

    resolution: int | None = None
    """Pixels of a side that the script draws; `None` leaves them to the files that are there."""

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


PRESETS = {
    "benchmark": Preset(),
    "released-demo": Preset(
        image_tokens="sampled",
        preprocess="demo",
        checkpoint_penalty=True,
        penalise_prompt=True,
        resolution=1024,
    ),
    "geneval-script": Preset(top_p=None, top_k=None, checkpoint_penalty=True, resolution=256),
}
"""By name. `benchmark` reads as the released evaluation does and draws as `t2i_inference.py` does;
`released-demo` is `i2t_inference.py` and `t2i_inference.py`; `geneval-script` is `eval_geneval.py`
and `eval_dpg_bench.py`. All at csuhan/Tar 47da8e1."""

_TRANSFORMERS = {"top_p": 1.0, "top_k": 50, "repetition_penalty": 1.0}
"""What transformers samples with where generation_config.json is silent."""


def choose_preset(name: str, given: Mapping[str, Any]) -> Preset:
    """A preset with what the user sets otherwise.

    Args:
        name: Of `PRESETS`.
        given: Fields of `Preset`; `None` leaves a field as it is.

    Raises:
        SpecError: A name is unknown or a value impossible.

    Example:
        >>> choose_preset("benchmark", {"top_k": 5, "temperature": None}).top_k
        5
    """
    base = PRESETS[one_of("preset", name, tuple(PRESETS))].to_dict()
    chosen = {**base, **{key: value for key, value in given.items() if value is not None}}
    one_of("image_tokens", chosen["image_tokens"], IMAGE_TOKENS)
    one_of("preprocess", chosen["preprocess"], PREPROCESSING)
    for key, (low, high) in _RANGES.items():
        _check_range(key, chosen[key], low, high)
    return Preset(**chosen)


_RANGES = {
    "temperature": (0.0, 100.0),
    "top_p": (1e-6, 1.0),
    "top_k": (0, 10**9),
    "cfg_scale": (1.0, 1000.0),
}


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SpecError(f"{name}={value!r} isn't a number from {low:g} to {high:g}", f"see {name}")
    if name == "top_k" and value != int(value):
        raise SpecError(f"top_k={value!r} isn't a whole number", "write top_k=1200")


def sampling_of(preset: Preset, stored: Mapping[str, Any]) -> Sampling:
    """How image tokens are sampled, once the checkpoint's `generation_config.json` is known.

    Example:
        >>> sampling_of(PRESETS["geneval-script"], {"top_k": 20}).top_k
        20
        >>> sampling_of(PRESETS["geneval-script"], {}).top_k
        50
    """
    known = {**_TRANSFORMERS, **{k: v for k, v in stored.items() if v is not None}}
    penalty = known["repetition_penalty"] if preset.checkpoint_penalty else 1.0
    return Sampling(
        temperature=preset.temperature,
        top_p=float(known["top_p"] if preset.top_p is None else preset.top_p),
        top_k=int(known["top_k"] if preset.top_k is None else preset.top_k),
        repetition_penalty=float(penalty),
        penalise_prompt=preset.penalise_prompt,
    )
