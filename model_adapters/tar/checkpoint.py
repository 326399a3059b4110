"""A checkpoint's folder: what lies where, and loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from harness.checkpoints import resolve
from harness.errors import CheckpointError
from model_adapters.tar.arguments import Settings
from model_adapters.tar.detokenizers import Detokenizer, load_ar
from model_adapters.tar.language import Language, load_language
from model_adapters.tar.ta_tok import TaTok, load_ta_tok

__all__ = ["LLM", "TA_TOK", "Numbers", "Parts", "load_parts"]

LLM = "llm"
"""Folder of the language model where none is named."""

TA_TOK = "ta_tok.safetensors"
"""Name of TA-Tok's file."""


class Parts(NamedTuple):
    """A loaded checkpoint."""

    language: Language
    """Language model and tokenizer."""

    ta_tok: TaTok
    """Pictures to codes, and codes to features."""

    detokenizer: Detokenizer | None
    """Features to pictures."""


class Numbers(NamedTuple):
    """Where parts compute, and in which type of number. TA-Tok computes in float32."""

    device: str
    """Torch device."""

    dtype: str
    """Of the language model."""

    detokenizer_dtype: str
    """Of the de-tokenizer's transformer; what makes pixels computes in float32."""


def load_parts(
    folder: Path, llm: str, revision: str | None, settings: Settings, numbers: Numbers
) -> Parts:
    """Load everything that the settings ask for.

    Args:
        folder: With TA-Tok, `config.json` and the de-tokenizer; see docs/tar.md.
        llm: Language model: a folder in `folder`, a folder anywhere, or a hub id.
        revision: Of a hub id.
        settings: Which de-tokenizer, of which resolution.
        numbers: Device and types.

    Raises:
        CheckpointError: A part is missing, damaged, not converted, or of another model.
    """
    _check_layout(folder)
    place = _language_folder(folder, llm, revision)
    ta_tok = load_ta_tok(folder / TA_TOK).to(numbers.device)
    language = load_language(place, numbers.dtype, numbers.device, ta_tok.codebook_size)
    return Parts(language, ta_tok, _detokenizer(folder, settings, numbers, ta_tok.width))


def _detokenizer(
    folder: Path, settings: Settings, numbers: Numbers, width: int
) -> Detokenizer | None:
    if settings.detokenizer == "none":
        return None
    dtype, device, cfg_scale = numbers.detokenizer_dtype, numbers.device, settings.preset.cfg_scale
    if settings.detokenizer == "ar-dtok":
        return load_ar(folder, settings.resolution, dtype, device, cfg_scale)
    from model_adapters.tar.dif_dtok import load_dif

    place = _sana_folder(folder, settings.sana)
    found = load_dif(place, dtype, device, cfg_scale=cfg_scale, steps=settings.steps, width=width)
    if settings.resolution not in (None, found.size):
        raise CheckpointError(
            f"{place} draws {found.size}x{found.size} pixels, not {settings.resolution}",
            "name another with --model-arg sana=FOLDER, or another resolution",
        )
    return found


def _sana_folder(folder: Path, sana: str) -> Path:
    for place in (folder / sana, Path(sana)):
        if place.is_dir():
            return place
    raise CheckpointError(
        f"there is no SANA pipeline in {folder / sana}",
        "put csuhan/Tar-SANA-600M-512px there, or name its folder: --model-arg sana=FOLDER",
    )


def _check_layout(folder: Path) -> None:
    if (folder / TA_TOK).is_file():
        return
    if any(folder.glob("*.pth")):
        raise CheckpointError(
            f"{folder} holds released .pth files, which are pickles and aren't read",
            f"convert them once: python -m model_adapters.tar.convert {folder}",
        )
    kind = _model_type(folder)
    what = f"; it's a checkpoint of model_type {kind!r}" if kind else ""
    raise CheckpointError(
        f"{folder} isn't a Tar checkpoint: it has no {TA_TOK}{what}",
        "a Tar checkpoint is put together from several repositories: docs/tar.md",
    )


def _model_type(folder: Path) -> str | None:
    """What a transformers checkpoint says it is."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("model_type") if isinstance(found, dict) else None


def _language_folder(folder: Path, llm: str, revision: str | None) -> Path:
    if (folder / llm).is_dir():
        return folder / llm
    if llm == LLM:
        raise CheckpointError(
            f"{folder / LLM} is missing",
            "put csuhan/Tar-1.5B there, or name it: --model-arg llm=csuhan/Tar-1.5B",
        )
    return resolve(llm, revision)
