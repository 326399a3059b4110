"""Which detector and which colour classifier: known before either is loaded, then built once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import msgspec

from harness.errors import DataError, ProtocolMismatchError, SpecError
from harness.names import suggest
from harness.records import Identity, JsonValue, Record
from tasks.judges.random_weights import is_random
from tasks.judges.weights import find_weights, weights_sha256

if TYPE_CHECKING:
    from tasks.judges import ColorJudge, ObjectDetector

__all__ = ["COLOR_JUDGES", "DETECTORS", "Backend", "JudgeChoice", "Judges"]

_CLASSICAL = "classical"
_NONE = "none"


class _Judge(Protocol):
    def identity(self) -> Identity: ...


_J = TypeVar("_J", bound=_Judge)


class Backend(Record, frozen=True, kw_only=True):
    """One way to detect objects or to name colours."""

    package: str | None = None
    """Package that it needs."""

    extra: str = ""
    """Extra of this distribution that installs the package."""

    weights: str | None = None
    """Its own weights: a repository of the hub. `None` where the user must give a file."""

    has_weights: bool = True
    """Whether it has weights at all."""

    settings: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """What its answers depend on besides."""


DETECTORS = {
    "transformers": Backend(
        package="transformers", weights="facebook/mask2former-swin-small-coco-instance"
    ),
    "mmdet": Backend(package="mmdet", extra="mmdet"),
    _CLASSICAL: Backend(has_weights=False),
}
"""Detectors by name. mmdet's official checkpoint is
`mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_20220504_001756-743b7d99.pth`, the same network as
transformers' port."""

_CLIP = "timm/vit_large_patch14_clip_224.openai"

COLOR_JUDGES = {
    name: Backend(
        package="open_clip",
        extra="geneval",
        weights=weights,
        settings={"architecture": "ViT-L-14", "activation": activation},
    )
    for name, activation, weights in (
        ("clip", "quickgelu", _CLIP),
        ("clip-legacy-gelu", "legacy-gelu", _CLIP),
        ("clip-gelu", "gelu", None),
    )
} | {
    _CLASSICAL: Backend(has_weights=False),
    _NONE: Backend(has_weights=False),
}
"""Colour classifiers by name: CLIP ViT-L/14 as OpenAI trained it; the same with the plain GELU that
open_clip falls into when its weights are loaded by path; a ViT-L/14 of the user's that was trained
with plain GELU; the embedded world's palette; none."""

_DISTRIBUTIONS = {"open_clip": "open_clip_torch"}


class Judges(NamedTuple):
    """Judges that are loaded and have passed their canaries."""

    detector: ObjectDetector
    """Finds objects."""

    classifier: ColorJudge | None
    """Names colours; `None` where the protocol has none."""

    def color(self) -> ColorJudge:
        """The colour classifier.

        Raises:
            SpecError: A prompt asks for a colour, but the protocol has no classifier.
        """
        if self.classifier is None:
            raise SpecError(
                "a prompt asks for a colour, but color_judge is 'none'", "name a color_judge"
            )
        return self.classifier


class JudgeChoice(NamedTuple):
    """The judges that a protocol names; nothing is loaded by looking at it."""

    detector: str
    """Name of the detector's backend."""

    detector_weights: str | None
    """Its weights; `None` is the backend's own."""

    color: str
    """Name of the colour classifier, or `none`."""

    color_weights: str | None
    """Its weights; `None` is the classifier's own."""

    device: str
    """Where they run."""

    def classes(self) -> tuple[str, ...]:
        """What the detector can name."""
        from tasks.judges.coco import GENEVAL_CLASSES
        from tasks.shapes.world.palette import SHAPES

        return SHAPES if self.detector == _CLASSICAL else GENEVAL_CLASSES

    def colors(self) -> tuple[str, ...]:
        """What the colour classifier can name."""
        from tasks.scoring.geneval.metadata import COLORS
        from tasks.shapes.world.palette import COLORS as PALETTE

        return tuple(PALETTE) if self.color == _CLASSICAL else COLORS

    def identity(self) -> Identity:
        """Detector and colour classifier as one identity; no network is loaded for it.

        Raises:
            SpecError: There is no backend of that name.
        """
        color = _identity(COLOR_JUDGES, "color_judge", self.color, self.color_weights)
        detector = _identity(DETECTORS, "detector", self.detector, self.detector_weights)
        settings: dict[str, JsonValue] = {**detector.settings, "color": _as_setting(color)}
        return Identity(
            id=f"{detector.id} + {color.id}",
            version=detector.version,
            weights_sha256=detector.weights_sha256,
            settings=settings,
        )

    def check(self) -> None:
        """Check that packages and weights are there.

        Raises:
            DataError: One is missing; the remedy says where to get it.
        """
        _check_backend("detector", self.detector, DETECTORS[self.detector], self.detector_weights)
        _check_backend("color", self.color, COLOR_JUDGES[self.color], self.color_weights)

    def build(self) -> Judges:
        """Load both, check that they have the weights that the protocol names, and see canaries.

        Raises:
            BenchError: One can't be loaded, has other weights, or sees its canary otherwise.
        """
        from tasks.judges.canary import check_canary
        from tasks.judges.detectors import build_detector

        self.check()
        file = _file(DETECTORS[self.detector], self.detector_weights)
        detector = build_detector(self.detector, file, self._device())
        judges = Judges(_with_weights(detector, file), self._classifier())
        for judge in judges:
            if judge is not None:
                check_canary(judge)
        return judges

    def _classifier(self) -> ColorJudge | None:
        from tasks.judges.colors import build_color_judge

        if self.color == _NONE:
            return None
        file = _file(COLOR_JUDGES[self.color], self.color_weights)
        return _with_weights(build_color_judge(self.color, file, self._device()), file)

    def _device(self) -> str:
        if self.device != "auto":
            return self.device
        if not (DETECTORS[self.detector].has_weights or COLOR_JUDGES[self.color].has_weights):
            return "cpu"
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def _identity(known: dict[str, Backend], option: str, name: str, weights: str | None) -> Identity:
    if name not in known:
        raise SpecError(
            f"geneval: unknown {option} {name!r}", suggest(name, known) or ", ".join(known)
        )
    backend = known[name]
    if not backend.has_weights:
        return _own_identity(name, option)
    file = _file(backend, weights)
    drawn = {"weights": file} if file is not None and is_random(file) else {}
    return Identity(
        id=name,
        version=_version(backend),
        weights_sha256=_sha256(file),
        settings={**backend.settings, **drawn},
    )


def _own_identity(name: str, option: str) -> Identity:
    """Identity of what is part of this package."""
    if name == _NONE:
        return Identity(id=_NONE, version="1")
    if option == "detector":
        from tasks.shapes.judge import detector_identity

        return detector_identity()
    return Identity(id="palette", version="1")


def _as_setting(identity: Identity) -> JsonValue:
    return {
        "id": identity.id,
        "version": identity.version,
        "weights_sha256": identity.weights_sha256,
        **identity.settings,
    }


def _check_backend(option: str, name: str, backend: Backend, weights: str | None) -> None:
    if backend.package is not None and util.find_spec(backend.package) is None:
        extra = f"pip install 'cheers-bench[{backend.extra}]'"
        raise DataError(f"{option} {name!r} needs the package {backend.package}", extra)
    if not backend.has_weights or _file(backend, weights) is not None:
        return
    location = weights or backend.weights
    if location is None:
        raise DataError(
            f"{option} {name!r} needs its weights", f"give them as option {option}_weights=FILE"
        )
    raise DataError(
        f"the weights {location} of {option} {name!r} aren't on this machine",
        f"fetch them, for example with `hf download {location}`, or give {option}_weights=FILE",
    )


def _file(backend: Backend, weights: str | None) -> str | None:
    location = weights or backend.weights
    if location is None or not backend.has_weights or is_random(location):
        return location if backend.has_weights else None
    found = find_weights(location)
    return None if found is None else str(found)


def _sha256(file: str | None) -> str | None:
    return None if file is None or is_random(file) else weights_sha256(Path(file))


def _version(backend: Backend) -> str:
    package = str(backend.package)
    try:
        return metadata.version(_DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        return "not installed"


def _with_weights(judge: _J, file: str | None) -> _J:
    """The judge, if it really loaded the file that the protocol's hash is of."""
    found = judge.identity().weights_sha256
    wanted = _sha256(file)
    if found is not None and wanted is not None and found != wanted:
        raise ProtocolMismatchError(
            f"judge {judge.identity().id!r} has weights {found}, but the protocol says {wanted}",
            "score again: the file changed while it was loaded",
        )
    return judge
