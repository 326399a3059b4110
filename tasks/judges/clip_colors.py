"""Colours by CLIP, as GenEval's evaluation names them.

As `color_classification` of djghosh13/geneval at commit af4902f: the object is cut out by its mask
onto grey (#999), cropped to its box, and compared with three prompts for each of ten colours.
Crops of many images go through the network together, and the prompts of a class once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import SpecError
from harness.records import Identity
from tasks.judges.clip_network import Activation, ClipNetwork, load_network
from tasks.judges.interface import Crop
from tasks.judges.rle import decode_mask
from tasks.scoring.geneval.metadata import COLORS

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

__all__ = ["TEMPLATES", "ClipColors", "cut_out"]

TEMPLATES = (
    "a photo of a {color} {label}",
    "a photo of a {color}-colored {label}",
    "a photo of a {color} object",
)
"""GenEval's prompts of one colour of one class."""

BACKGROUND = (0x99, 0x99, 0x99)
"""What stands where the mask is 0."""

_CLASSES_KEPT = 128
_WORKERS = 4


def cut_out(crop: Crop) -> Image:
    """The object alone on grey, cropped to its box.

    Box corners are rounded to whole pixels, halves to even, and what lies outside the image is
    black, as PIL crops.

    Raises:
        ValueError: The mask hasn't the image's size.
    """
    from PIL import Image as Images

    height, width = crop.image.shape[:2]
    pixels = crop.image
    if crop.mask is not None:
        if crop.mask.size != (height, width):
            raise ValueError(f"a mask of {crop.mask.size} for an image of {(height, width)}")
        mask = decode_mask(crop.mask)[..., None]
        pixels = np.where(mask, pixels, np.array(BACKGROUND, dtype=np.uint8))
    x0, y0, x1, y1 = (round(float(value)) for value in crop.box)
    return Images.fromarray(pixels).crop((x0, y0, x1, y1))


class ClipColors:
    """Names the colours of objects; a `ColorJudge`.

    Args:
        weights: File of open_clip weights (safetensors or a plain state dict), or `random:SEED`.
        activation: What the network computes with. `quickgelu` and `gelu` are refused for weights
            that were trained with the other one; `legacy-gelu` is plain GELU whatever they were
            trained with, which is what recent open_clip silently does with OpenAI's weights when
            they're loaded by path.
        architecture: Name of an open_clip architecture, or its configuration.
        device: Where it runs.
        batch: Crops that go through the network at once.

    Raises:
        CheckpointError: The weights can't be read, don't fit, or were trained with another
            activation.
        SpecError: There is no such device, or `batch` is below 1.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        activation: Activation = "quickgelu",
        architecture: str | dict[str, Any] = "ViT-L-14",
        device: str = "cpu",
        batch: int = 64,
    ) -> None:
        if batch < 1:
            raise SpecError(f"{batch} crops at once can't be classified", "give at least 1")
        self.network: ClipNetwork = load_network(weights, activation, architecture, device)
        """The network; shared by whoever wants its vectors."""
        self._batch = batch
        self._prompts: OrderedDict[str, Tensor] = OrderedDict()

    def identity(self) -> Identity:
        """Architecture, activation, hash of the weights, prompts, and open_clip's version."""
        network = self.network
        return Identity(
            id="clip" if network.activation != "legacy-gelu" else "clip-legacy-gelu",
            version=network.version,
            weights_sha256=network.sha256,
            settings={
                "architecture": network.architecture,
                "activation": network.activation,
                "trained_activation": network.trained,
                "weights": network.source,
                "templates": list(TEMPLATES),
                "background": "#999999",
                "dtype": "float32",
                "device": network.device_policy,
            },
        )

    def classify(self, crops: Sequence[Crop]) -> list[str]:
        """The colour of each crop, one of GenEval's ten.

        Raises:
            ValueError: A crop is empty, or its mask hasn't the image's size.
        """
        return [COLORS[int(index)] for index in self.scores(crops).argmax(1)]

    def scores(self, crops: Sequence[Crop]) -> Tensor:
        """Cosine similarity of each crop to each colour (n, 10), float32 on the CPU."""
        import torch

        found = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            for start in range(0, len(crops), self._batch):
                part = crops[start : start + self._batch]
                pixels = torch.stack(list(pool.map(self._prepared, part)))
                images = self.network.encode_images(pixels)
                texts = torch.stack([self._of_class(crop.label) for crop in part])
                found.append((texts @ images[..., None]).squeeze(-1))
        return torch.cat(found) if found else torch.zeros(0, len(COLORS))

    def _prepared(self, crop: Crop) -> Tensor:
        image = cut_out(crop)
        if not image.width or not image.height:
            raise ValueError(f"the box {crop.box.tolist()} of a {crop.label!r} is empty")
        return self.network.prepare(image)

    def _of_class(self, label: str) -> Tensor:
        """One unit vector for each colour of a class (10, d); kept for the next time."""
        if label not in self._prompts:
            self._prompts[label] = self._embed(label)
            if len(self._prompts) > _CLASSES_KEPT:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(label)
        return self._prompts[label]

    def _embed(self, label: str) -> Tensor:
        import torch

        texts = [t.format(color=color, label=label) for color in COLORS for t in TEMPLATES]
        vectors = self.network.encode_texts(texts).view(len(COLORS), len(TEMPLATES), -1)
        return torch.nn.functional.normalize(vectors.mean(1), dim=-1)
