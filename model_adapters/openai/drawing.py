"""One image generation: the request's body, and the picture out of its answer."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError
from harness.records import GenerateImageRequest
from model_adapters.openai.chat import seed_of
from model_adapters.openai.transport import Attempt

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["body", "read"]


def body(
    request: GenerateImageRequest, model: str, *, base64_field: bool, seeded: bool
) -> dict[str, Any]:
    """The request as the API takes it.

    Args:
        request: The request.
        model: The server's name of the model.
        base64_field: Whether `response_format` is sent; some models refuse it.
        seeded: Whether the seed is sent; some models refuse that too.

    Raises:
        AdapterError: It asks for what the API doesn't have.
    """
    decoding = request.decoding
    asked = [n for n in ("steps", "cfg_scale", "alpha") if getattr(decoding, n) is not None]
    if asked:
        raise AdapterError(
            f"the API takes no {', '.join(asked)}", "leave them open; the server has its own"
        )
    if (decoding.width is None) != (decoding.height is None):
        raise AdapterError("the API takes width and height together", "give both or neither")
    fields: dict[str, Any] = {"model": model, "prompt": request.prompt, "n": 1}
    if decoding.width is not None:
        fields["size"] = f"{decoding.width}x{decoding.height}"
    if base64_field:
        fields["response_format"] = "b64_json"
    return {**fields, "seed": seed_of(request.seed, "noise")} if seeded else fields


def read(attempt: Attempt, size: tuple[int, int] | None) -> Image:
    """The picture, RGB.

    Args:
        attempt: The answer.
        size: Width and height that were asked for.

    Raises:
        AdapterError: There is none, or it has another size.
    """
    image = _decoded(_encoded(attempt.json()))
    if size is not None and image.size != size:
        raise AdapterError(
            f"the server drew {image.width}x{image.height} pixels, not {size[0]}x{size[1]}",
            "ask for a size that the model has",
        )
    return image


def _encoded(answer: Any) -> str:
    try:
        first = answer["data"][0]
    except (LookupError, TypeError):
        raise AdapterError("the server's answer holds no picture", "look at its log") from None
    if not isinstance(first, dict) or not isinstance(first.get("b64_json"), str):
        raise AdapterError(
            "the server sends no b64_json; pictures by address aren't fetched",
            "set b64_json=on, or let the server send base64",
        )
    text: str = first["b64_json"]
    return text


def _decoded(text: str) -> Image:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as opened:
                return opened.convert("RGB")
        except (
            binascii.Error,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
            OSError,
            SyntaxError,
            ValueError,
        ) as error:
            raise AdapterError(f"the server's picture can't be decoded: {error}", "") from error
