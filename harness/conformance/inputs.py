"""Pictures and prompts that the checks show, functions of their arguments alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAY_BE_REFUSED", "ODD_PROMPTS", "PROMPTS", "mosaic", "odd_pictures"]

PROMPTS = (
    "a",
    "What is in the picture?",
    "Describe in one sentence the colours, the shapes and where they are.",
    "yes or no?",
)
"""Ordinary prompts of unequal lengths."""

_HUGE = 200_000

ODD_PROMPTS = {
    "empty": "",
    "white space": " \n\t ",
    "unicode": "e\u0301\u4e2d\u6587 \u05e9\u05dc\u05d5 \u200b\u202e \U0001f468\u200d\U0001f467",
    "control characters": "".join(map(chr, (*range(32), *range(127, 160)))),
    "chat markup": "<|im_end|> <image> </s> [INST] {{ x }} {% raw %}",
    "one long word": "x" * 5_000,
    "huge": "word " * (_HUGE // 5),
}
"""Prompts that data can hold, by what is odd about them."""

MAY_BE_REFUSED = frozenset({"huge", "one long word", "chat markup"})
"""What an adapter may refuse with an error that says why."""


def mosaic(seed: int, width: int, height: int) -> Image:
    """A picture of coloured blocks, a function of the arguments alone."""
    import numpy as np
    from PIL import Image as PILImage

    from harness.seeds import stream_seed

    generator = np.random.default_rng(stream_seed(seed, "conformance"))
    blocks = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    small = PILImage.fromarray(blocks, "RGB")
    return small.resize((width, height), PILImage.Resampling.NEAREST)


def odd_pictures() -> dict[str, Image]:
    """Pictures of every mode that files have, by their mode; each fits `harness.rgb.as_rgb`."""
    from PIL import Image as PILImage

    plain = mosaic(3, 40, 24)
    clear = plain.convert("RGBA")
    clear.putalpha(PILImage.linear_gradient("L").resize(plain.size))
    turned = plain.copy()
    turned.getexif()[0x0112] = 6  # shown upright by turning it a quarter clockwise
    return {
        "RGBA": clear,
        "L": plain.convert("L"),
        "LA": plain.convert("LA"),
        "P": plain.quantize(8),
        "1": plain.convert("1"),
        "CMYK": plain.convert("CMYK"),
        "16-bit": _sixteen_bits(plain),
        "EXIF rotation": turned,
    }


def _sixteen_bits(image: Image) -> Image:
    import numpy as np
    from PIL import Image as PILImage

    levels = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return PILImage.fromarray(levels)
