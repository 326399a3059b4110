"""A stand-in for mmcv's compiled module, so that mmdet's Mask2Former runs with mmcv-lite.

mmdet imports operators by name when it's imported. Mask2Former's deformable attention has a path
in plain torch, so none of them is ever called; one that is says what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["provide_operators"]

_NAME = "mmcv._ext"


class _Operators(ModuleType):
    """Has every operator by name; calling one is an error."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: object, **__: object) -> Any:
            raise RuntimeError(
                f"mmcv's operator {name!r} isn't compiled here (mmcv-lite is installed); models "
                "that need it, such as Mask R-CNN, want the full mmcv"
            )

        return missing


def provide_operators() -> bool:
    """Put the stand-in where mmdet looks, unless mmcv has its compiled module.

    Returns:
        Whether the compiled module is there.

    Raises:
        ModuleNotFoundError: mmcv isn't installed at all.
    """
    if isinstance(sys.modules.get(_NAME), _Operators):
        return False
    if find_spec(_NAME) is not None:
        return True
    module = _Operators(_NAME)
    module.__spec__ = ModuleSpec(_NAME, None)
    sys.modules[_NAME] = module
    return False
