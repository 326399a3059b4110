"""Pictures of every mode and shape are understood as the RGB pictures that they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.conformance.inputs import mosaic, odd_pictures
from harness.conformance.records import NotApplicable, WrongError
from harness.conformance.subject import Subject
from harness.errors import BenchError
from harness.records import Capability, Response
from harness.rgb import as_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["picture_modes", "picture_shapes"]

_SHAPES = {"1x1": (1, 1), "8000x50": (8000, 50), "3x700": (3, 700)}
_KINDS = (
    Capability.LOGLIKELIHOOD,
    Capability.ANSWER,
    Capability.RECONSTRUCT,
    Capability.EDIT_IMAGE,
)


def picture_modes(subject: Subject) -> str:
    """A picture of any mode gives the response of the same picture as RGB, upright."""
    capability = _looking(subject)
    for name, image in odd_pictures().items():
        try:
            found = _look(subject, capability, image)
        except Exception as error:
            raise WrongError(f"{name}: {type(error).__name__}: {error}") from error
        for _, said in subject.differences([_look(subject, capability, as_rgb(image))], [found]):
            raise WrongError(
                f"{name}: another response than to the picture as RGB: {said}; "
                "use harness.rgb.as_rgb"
            )
    return f"{', '.join(odd_pictures())}, by {capability.value}"


def picture_shapes(subject: Subject) -> str:
    """Tiny and very long pictures: a response, or an error that says why."""
    capability, refused = _looking(subject), []
    for name, size in _SHAPES.items():
        try:
            _look(subject, capability, mosaic(5, *size))
        except BenchError:
            refused.append(name)
        except Exception as error:
            raise WrongError(f"{name}: {type(error).__name__}: {error}") from error
    shown = f"{', '.join(_SHAPES)}, by {capability.value}"
    return f"{shown}; refused with a reason: {', '.join(refused)}" if refused else shown


def _looking(subject: Subject) -> Capability:
    """The capability that shows best what the model makes of a picture."""
    found = subject.demand(*_KINDS)
    if Capability.ANSWER in found and not subject.takes_pictures:
        found = [c for c in found if c not in (Capability.ANSWER, Capability.LOGLIKELIHOOD)]
    if not found:
        raise NotApplicable("the model takes no pictures")
    return found[0]


def _look(subject: Subject, capability: Capability, image: Image) -> Response:
    fields: dict[str, Any] = {"image": image, "images": (image,)}
    return subject.alone([subject.request(capability, 1, **fields)])[0]
