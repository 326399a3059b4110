"""What turns TA-Tok's features into pictures: the two de-tokenizers have one face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from harness.errors import AdapterError, CheckpointError
from harness.records import ImageDecoding, JsonValue
from model_adapters.tar.ar_dtok import ArDTok, Guidance, load_ar_dtok
from model_adapters.tar.config import ArSettings, ar_entry
from model_adapters.tar.images import to_image
from model_adapters.tar.presets import Sampling
from model_adapters.tar.vqvae import VqDecoder, load_vqvae

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "NEGATIVES",
    "VQVAE",
    "ArDetokenizer",
    "Detokenizer",
    "Pictures",
    "check_size",
    "load_ar",
]

VQVAE = "vqvae.safetensors"
"""Name of the VQVAE's file."""

NEGATIVES = "negative_prompt_embeds"
"""Name of the tensor that Dif-DTok's guidance leads away from, and of its file."""

_AR_FILES = "ar_dtok*.safetensors"


class Pictures(NamedTuple):
    """What a de-tokenizer drew."""

    images: list[Image]
    """One per row, RGB."""

    nfe: int | None = None
    """Denoiser evaluations per picture, each guidance branch counted; `None` without a denoiser."""


class Detokenizer(Protocol):
    """Draws pictures from features."""

    size: int
    """Pixels of a picture's side."""

    def check(self, decoding: ImageDecoding, tokens: int) -> None:
        """Refuse what can't be drawn, before any work.

        Args:
            decoding: Of a request.
            tokens: Tokens of an image.

        Raises:
            AdapterError: It can't be.
        """

    def draw(self, features: Tensor, seeds: Sequence[int], decoding: ImageDecoding) -> Pictures:
        """Draw.

        Args:
            features: TA-Tok's (N, n, width), float32.
            seeds: One per picture.
            decoding: Shared by all; what it leaves open takes the defaults.
        """

    @property
    def defaults(self) -> Mapping[str, JsonValue]:
        """Decoding where a request leaves a field open."""

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Networks by the name under which their weights are hashed."""

    @property
    def roles(self) -> list[tuple[str, nn.Module]]:
        """Networks to watch, and what to call them."""

    def describe(self) -> dict[str, JsonValue]:
        """What of it, beyond its weights, changes a picture."""


class ArDetokenizer:
    """AR-DTok and its VQVAE.

    Codes are drawn at temperature 1 without top-k and top-p, as in every released script.

    Args:
        ar: Features to codes.
        vqvae: Codes to pixels.
        cfg_scale: Guidance where a request names none.
        file: Name of AR-DTok's file.
    """

    def __init__(self, ar: ArDTok, vqvae: VqDecoder, cfg_scale: float, file: str) -> None:
        self.size = side(ar.settings, vqvae)
        self._ar, self._vqvae = ar, vqvae
        self._cfg_scale, self._file = cfg_scale, file

    def check(self, decoding: ImageDecoding, tokens: int) -> None:
        """Refuse sizes that it doesn't draw, and settings of denoisers."""
        check_size(self.size, decoding)
        self._ar.check_room(tokens)
        for name in ("steps", "alpha"):
            if getattr(decoding, name) is not None:
                raise AdapterError(f"AR-DTok takes no {name}", f"leave {name} open")
        if decoding.cfg_scale is not None and decoding.cfg_scale < 1:
            raise AdapterError(
                f"AR-DTok takes no cfg_scale of {decoding.cfg_scale:g}", "1 is no guidance"
            )

    def draw(self, features: Tensor, seeds: Sequence[int], decoding: ImageDecoding) -> Pictures:
        """Draw codes one after another, then all pixels at once."""
        chosen = self._cfg_scale if decoding.cfg_scale is None else decoding.cfg_scale
        codes = self._ar.generate(features, seeds, Guidance(scale=chosen), Sampling())
        # One by one: the decoder's activations at 1024 pixels are larger than all weights.
        return Pictures([to_image(self._vqvae.decode(row[None])[0]) for row in codes])

    @property
    def defaults(self) -> Mapping[str, JsonValue]:
        """Guidance."""
        return {"cfg_scale": self._cfg_scale}

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """AR-DTok and the VQVAE's decoder."""
        return {"ar_dtok": self._ar, "vqvae": self._vqvae}

    @property
    def roles(self) -> list[tuple[str, nn.Module]]:
        """The same."""
        return [("ar_dtok", self._ar), ("vqvae", self._vqvae.decoder)]

    def describe(self) -> dict[str, JsonValue]:
        """File, size and numeric type."""
        return {
            "kind": "ar-dtok",
            "file": self._file,
            "size": self.size,
            "codes": self._ar.settings.codes,
            "heads": self._ar.heads,
            "norm_eps": self._ar.settings.norm_eps,
            "dtype": str(self._ar.dtype).removeprefix("torch."),
        }


def side(settings: ArSettings, vqvae: VqDecoder) -> int:
    """Pixels of a picture's side."""
    return int(settings.codes**0.5) * vqvae.factor


def check_size(size: int, decoding: ImageDecoding) -> None:
    """Refuse a size that the de-tokenizer doesn't draw.

    Raises:
        AdapterError: A request names one.
    """
    wrong = {decoding.width, decoding.height} - {None, size}
    if wrong:
        raise AdapterError(
            f"this de-tokenizer draws {size}x{size} pixels, not {wrong.pop()}",
            "leave width and height open, or load another one (docs/tar.md)",
        )


def load_ar(
    folder: Path, resolution: int | None, dtype: Any, device: str, cfg_scale: float
) -> ArDetokenizer:
    """Load AR-DTok of a resolution, and the VQVAE.

    Args:
        folder: Of the checkpoint.
        resolution: Pixels of a side; `None` takes the only one that is there.
        dtype: Name of AR-DTok's torch dtype; the VQVAE computes in float32.
        device: Torch device.
        cfg_scale: Guidance where a request names none.

    Raises:
        CheckpointError: A file is missing or damaged, or the resolution isn't clear.
    """
    vqvae = load_vqvae(folder / VQVAE).to(device)
    path = _choose(folder, resolution, vqvae)
    ar = load_ar_dtok(path, dtype).to(torch.device(device))
    return ArDetokenizer(ar, vqvae, cfg_scale, path.name)


def _choose(folder: Path, resolution: int | None, vqvae: VqDecoder) -> Path:
    paths = sorted(folder.glob(_AR_FILES))
    found = {path: side(ArSettings.read(ar_entry(path), folder), vqvae) for path in paths}
    fitting = [path for path in paths if resolution in (None, found[path])]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(f"{path.name} ({found[path]} pixels)" for path in paths) or "none"
    wanted = "" if resolution is None else f" for {resolution} pixels"
    raise CheckpointError(
        f"{folder} has {len(fitting) or 'no'} AR-DTok{wanted}; there: {there}",
        "choose one with --model-arg resolution=256, or answer only: detokenizer=none"
        if paths
        else "add one (docs/tar.md), or answer only: --model-arg detokenizer=none",
    )
