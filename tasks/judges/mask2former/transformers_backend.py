"""Mask2Former by transformers: no compiled package, the same objects as mmdet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.errors import CheckpointError
from harness.records import Identity
from tasks.judges.coco import GENEVAL_CLASSES
from tasks.judges.interface import Instances
from tasks.judges.mask2former.outputs import MAX_INSTANCES, instances_of
from tasks.judges.mask2former.preparation import (
    LONG_SIDE,
    SHORT_SIDE,
    Prepared,
    pad_together,
    prepare,
)
from tasks.judges.policy import device_policy
from tasks.judges.random_weights import random_seed, seeded
from tasks.judges.weights import find_weights, weights_sha256

if TYPE_CHECKING:
    from transformers import Mask2FormerForUniversalSegmentation

__all__ = ["TransformersMask2Former", "swin_s_config"]

_BATCH = 4


class TransformersMask2Former:
    """An `ObjectDetector`.

    Args:
        weights: Folder, or file in a folder, with `config.json` and safetensors; or `random:SEED`.
        device: Where it runs, in float32.
        config: Configuration for random weights; by default Swin-S on COCO.
        batch: Images of one size that go through the network at once.

    Raises:
        CheckpointError: Weights are missing, or don't fit their configuration exactly.
    """

    classes: Sequence[str] = GENEVAL_CLASSES

    def __init__(
        self, weights: str | Path, *, device: str = "cpu", config: Any = None, batch: int = _BATCH
    ) -> None:
        seed = random_seed(weights)
        self._source = "file" if seed is None else str(weights)
        if seed is None:
            file = _file(weights)
            self.model = _loaded(file.parent)
            self._sha256: str | None = weights_sha256(file)
        else:
            self.model = _fresh(config or swin_s_config(), seed)
            self._sha256 = None
        self.model.eval().to(device)
        self._device, self._batch = device, batch

    def identity(self) -> Identity:
        """Backend with its version, hash of the weights, and what its output depends on."""
        import transformers

        return Identity(
            id="transformers",
            version=transformers.__version__,
            weights_sha256=self._sha256,
            settings={
                "network": "mask2former",
                "weights": self._source,
                "scale": [LONG_SIDE, SHORT_SIDE],
                "max_instances": MAX_INSTANCES,
                "dtype": "float32",
                "device": device_policy(self._device),
            },
        )

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Mapping[str, Instances]]:
        """Find objects; images that are equally large once scaled go through together."""
        prepared = [prepare(image) for image in images]
        order = sorted(range(len(images)), key=lambda i: tuple(prepared[i].pixels.shape))
        found: dict[int, Mapping[str, Instances]] = {}
        for _, same in groupby(order, key=lambda i: prepared[i].pixels.shape):
            numbers = list(same)
            for start in range(0, len(numbers), self._batch):
                part = numbers[start : start + self._batch]
                found.update(zip(part, self._together([prepared[i] for i in part]), strict=True))
        return [found[i] for i in range(len(images))]

    def _together(self, images: Sequence[Prepared]) -> list[Mapping[str, Instances]]:
        import torch

        pixels = pad_together([image.pixels for image in images])
        with torch.inference_mode():
            output = self.model(pixel_values=pixels.to(self._device))
            return [
                instances_of(
                    output.class_queries_logits[i],
                    output.masks_queries_logits[i],
                    padded=(pixels.shape[2], pixels.shape[3]),
                    inner=(image.pixels.shape[1], image.pixels.shape[2]),
                    size=image.size,
                    classes=self.classes,
                )
                for i, image in enumerate(images)
            ]


def swin_s_config() -> Any:
    """Configuration of the official detector: Swin-S, 100 queries, 80 classes."""
    from transformers import Mask2FormerConfig, SwinConfig

    backbone = SwinConfig(
        embed_dim=96,
        depths=[2, 2, 18, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    return Mask2FormerConfig(backbone_config=backbone, num_labels=len(GENEVAL_CLASSES))


def _file(weights: str | Path) -> Path:
    found = find_weights(str(weights))
    if found is None:
        raise CheckpointError(
            f"there are no Mask2Former weights at {weights}",
            "give a folder with config.json and model.safetensors; "
            "`hf download facebook/mask2former-swin-small-coco-instance` fetches one",
        )
    return found


def _loaded(folder: Path) -> Mask2FormerForUniversalSegmentation:
    """The model, if weights and configuration fit to the last tensor."""
    from safetensors import SafetensorError
    from transformers import Mask2FormerForUniversalSegmentation

    try:
        model, report = Mask2FormerForUniversalSegmentation.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} can't be loaded: {error}", "give a whole, matching checkpoint"
        ) from error
    faults = [
        f"{kind.removesuffix('_keys')} {name}"
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        for name in sorted(map(str, report.get(kind) or []))
    ]
    if faults:
        raise CheckpointError(
            f"weights in {folder} don't fit their configuration: {'; '.join(faults[:4])} "
            f"({len(faults)} in all)",
            "give a whole, matching checkpoint; scores of a half-loaded detector are zeros",
        )
    if model.config.num_labels != len(GENEVAL_CLASSES):
        raise CheckpointError(
            f"{folder} knows {model.config.num_labels} classes, not COCO's {len(GENEVAL_CLASSES)}",
            "give a detector that was trained on COCO instances",
        )
    return model


def _fresh(config: Any, seed: int) -> Mask2FormerForUniversalSegmentation:
    """Random weights: a function of the seed, of no global state."""
    from transformers import Mask2FormerForUniversalSegmentation

    with seeded(seed):
        return Mask2FormerForUniversalSegmentation(config)
