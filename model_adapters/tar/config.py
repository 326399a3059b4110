"""What `config.json` beside the tokenizers' weights says. Sizes that tensors show aren't in it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError
from harness.records import Record

__all__ = [
    "CONFIG",
    "ArSettings",
    "TaTokSettings",
    "TeacherSettings",
    "ar_entry",
    "read_config",
]

CONFIG = "config.json"
_REMEDY = "convert the released files again: python -m model_adapters.tar.convert FOLDER"


class TeacherSettings(Record, frozen=True, kw_only=True):
    """Of the SigLIP tower in TA-Tok, what its tensors don't show."""

    image_size: int
    """Pixels of a side."""

    num_attention_heads: int
    """Heads of each layer."""

    layer_norm_eps: float = 1e-6
    """Epsilon of every LayerNorm."""

    hidden_act: str = "gelu_pytorch_tanh"
    """Activation of the MLPs."""


TEACHERS = {
    "google/siglip2-so400m-patch14-384": TeacherSettings(image_size=384, num_attention_heads=16)
}
"""Towers by the name that TA-Tok's arguments give."""


class TaTokSettings(Record, frozen=True, kw_only=True):
    """Of TA-Tok, what its tensors don't show."""

    teacher: TeacherSettings
    """The encoder."""

    l2_normalized: bool
    """Whether codes are compared by cosine, else by squared distance."""

    temperature: float
    """Temperature of sampled codes, fixed in training."""

    select_layer: int = -2
    """Which hidden state is kept; -2 is the output of the last layer but one."""

    @classmethod
    def read(cls, entry: Mapping[str, Any], folder: Path) -> TaTokSettings:
        """Read the entry `ta_tok`.

        Args:
            entry: With `args` as released.
            folder: Where a teacher's folder may lie.

        Raises:
            CheckpointError: Something is missing, or isn't what this code computes.
        """
        try:
            args = entry["args"]
            bottleneck = args["bottleneck"]["args"]
            regularizer = bottleneck["regularizer"]
            code = regularizer["args"]
            _demand("regularizer.name", regularizer["name"], "simvq")
            _demand("norm", bottleneck.get("norm", "none"), "none")
            return cls(
                teacher=_teacher(str(args["teacher"]), folder),
                l2_normalized=bool(code["l2_normalized"]),
                temperature=_positive(code.get("stochastic_temperature", 0.03)),
                select_layer=int(args.get("select_layer_id", -2)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(folder, "ta_tok", error) from error


class ArSettings(Record, frozen=True, kw_only=True):
    """Of AR-DTok, what its tensors don't show."""

    heads: int | None
    """Attention heads; `None` is one per 64 channels, as in all published sizes."""

    codes: int
    """Codes of an image, a square number."""

    norm_eps: float
    """Epsilon of every RMSNorm."""

    @classmethod
    def read(cls, entry: Mapping[str, Any], folder: Path) -> ArSettings:
        """Read the entry `ar_dtok`; errors as `TaTokSettings.read`."""
        try:
            args = {**entry["args"], **entry.get("size", {})}
            _demand("model_type", args.get("model_type"), "clip_cond")
            heads = args.get("n_head")
            if args.get("n_kv_head") not in (None, heads):
                raise ValueError("n_kv_head isn't n_head")
            codes = int(args["max_seq_len"])
            if math.isqrt(codes) ** 2 != codes:
                raise ValueError(f"max_seq_len={codes} is no square")
            return cls(
                heads=None if heads is None else int(heads),
                codes=codes,
                norm_eps=float(args.get("norm_eps", 1e-5)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(folder, "ar_dtok", error) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The JSON object in a folder's `config.json`.

    Raises:
        CheckpointError: It's missing or none.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{path} is missing", _REMEDY)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} isn't JSON: {error}", _REMEDY) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} isn't a JSON object", _REMEDY)
    return found


def ar_entry(path: Path) -> Mapping[str, Any]:
    """What the `config.json` beside an AR-DTok says of it.

    The entry has the file's name without suffix, else `ar_dtok`.

    Raises:
        CheckpointError: There is no `config.json`.
    """
    entries = read_config(path.parent)
    found: Mapping[str, Any] = entries.get(path.stem, entries.get("ar_dtok", {}))
    return found


def _teacher(name: str, folder: Path) -> TeacherSettings:
    """A known tower, or that of a folder `name` beside the weights."""
    if name in TEACHERS:
        return TEACHERS[name]
    if Path(name).name != name or not (folder / name / CONFIG).is_file():
        raise ValueError(f"the teacher {name!r} isn't known, and has no folder here")
    vision = read_config(folder / name)["vision_config"]
    known = {key: vision[key] for key in TeacherSettings.__struct_fields__ if key in vision}
    return TeacherSettings(**known)


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("a trained temperature (stochastic_temperature <= 0) isn't supported")
    return float(value)


def _demand(name: str, value: Any, wanted: str) -> None:
    if value != wanted:
        raise ValueError(f"{name} is {value!r}, not {wanted!r}")


def _broken(folder: Path, entry: str, error: Exception) -> CheckpointError:
    what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
    return CheckpointError(f"{folder / CONFIG}, entry {entry!r}: {what}", _REMEDY)
