"""Mask2Former by mmdet 3.x: GenEval's official detector."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import CheckpointError, SpecError
from harness.records import Identity
from tasks.judges.coco import GENEVAL_CLASSES
from tasks.judges.interface import Instances
from tasks.judges.mask2former.checkpoint import read_checkpoint
from tasks.judges.mask2former.outputs import Found, group_by_class
from tasks.judges.mask2former.standin import provide_operators
from tasks.judges.policy import device_policy
from tasks.judges.random_weights import random_seed, seeded
from tasks.judges.rle import encode_mask
from tasks.judges.strict import misfits
from tasks.judges.weights import weights_sha256

__all__ = ["CONFIG", "MMDetMask2Former", "mmdet_config"]

CONFIG = "mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco"
"""Name of the official configuration in mmdet 3.x."""

_OLD_NAMES = {"mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco": CONFIG}


class MMDetMask2Former:
    """An `ObjectDetector`.

    Args:
        weights: The official .pth, or `random:SEED`.
        device: Where it runs, in float32.
        config: mmdet's configuration: its name in mmdet 3.x or 2.x, or the configuration itself.

    Raises:
        SpecError: mmdet isn't installed, or has no such configuration.
        CheckpointError: Weights can't be read safely, or don't fit the configuration exactly.
    """

    classes: Sequence[str] = GENEVAL_CLASSES

    def __init__(self, weights: str | Path, *, device: str = "cpu", config: Any = CONFIG) -> None:
        seed = random_seed(weights)
        self._source = "file" if seed is None else str(weights)
        self.model = _built(mmdet_config(config), seed or 0)
        self._sha256: str | None = None
        if seed is None:
            _fill(self.model, Path(weights))
            self._sha256 = weights_sha256(Path(weights))
        self.model.eval().to(device)
        self._device = device

    def identity(self) -> Identity:
        """Backend with its versions, hash of the weights, and what its output depends on."""
        from importlib.metadata import version

        return Identity(
            id="mmdet",
            version=version("mmdet"),
            weights_sha256=self._sha256,
            settings={
                "network": "mask2former",
                "weights": self._source,
                "operators": "compiled" if provide_operators() else "plain torch",
                "dtype": "float32",
                "device": device_policy(self._device),
            },
        )

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Mapping[str, Instances]]:
        """Find objects, one image after the other, as the official script does."""
        return [self._one(image) for image in images]

    def _one(self, image: npt.NDArray[np.uint8]) -> Mapping[str, Instances]:
        from mmdet.apis import inference_detector

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mmdet's and mmcv's own, of every call
            result: Any = inference_detector(self.model, np.ascontiguousarray(image[..., ::-1]))
        kept = result.pred_instances.cpu()
        found = [
            Found(
                int(kept.labels[i]),
                float(kept.scores[i]),
                tuple(kept.bboxes[i].tolist()),
                encode_mask(kept.masks[i].numpy()),
            )
            for i in range(len(kept.scores))
        ]
        return group_by_class(found, self.classes)


def mmdet_config(config: Any = CONFIG) -> Any:
    """The configuration, ready to be built without a download.

    Args:
        config: A name in mmdet 3.x or 2.x, or a configuration.

    Raises:
        SpecError: mmdet isn't installed, or has no such configuration.
    """
    if find_spec("mmdet") is None or find_spec("mmcv") is None:
        raise SpecError("the detector 'mmdet' needs mmdet", "pip install 'cheers-bench[mmdet]'")
    if not isinstance(config, str):
        return config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        provide_operators()
        import mmdet
        from mmengine.config import Config

        name = _OLD_NAMES.get(config, config)
        path = Path(mmdet.__file__).parent / ".mim" / "configs" / f"{name}.py"
        if not path.is_file():
            raise SpecError(f"mmdet has no configuration {config!r}", f"write {CONFIG!r}")
        settings = Config.fromfile(path)
    settings.model.backbone.init_cfg = None  # all weights come from the checkpoint
    return settings


def _built(settings: Any, seed: int) -> Any:
    """The network with random weights: a function of the seed, of no global state."""
    with warnings.catch_warnings(), seeded(seed):
        warnings.simplefilter("ignore")
        provide_operators()
        from mmdet.apis import init_detector

        return init_detector(settings, None, device="cpu")


def _fill(model: Any, weights: Path) -> None:
    """Load weights strictly; mmdet itself only warns about what doesn't fit."""
    state, expected = read_checkpoint(weights), model.state_dict()
    faults = misfits(state, expected)
    if faults:
        raise CheckpointError(
            f"{weights} doesn't fit mmdet's configuration: {'; '.join(faults[:4])} "
            f"({len(faults)} in all)",
            "give the checkpoint of the configuration; scores of a half-loaded detector are zeros",
        )
    model.load_state_dict(state)
