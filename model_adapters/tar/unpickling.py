"""Reading a released .pth file without running anything that it names.

A pickle is a program: it names functions and calls them. This reader knows a handful of names,
imports nothing for the others, and refuses the file. It exists for the one-time conversion alone.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch._utils import _rebuild_parameter, _rebuild_tensor_v2

from harness.errors import CheckpointError

__all__ = ["read_pickle"]


class _PlainDict(dict[str, Any]):
    """Stands for a foreign dict class; what else such an object held is a copy of its entries."""

    def __setstate__(self, state: object) -> None:
        """Ignore attributes."""


class _Ignored:
    """Stands for what a training run left in a file and nothing here reads."""

    def __setstate__(self, state: object) -> None:
        """Ignore attributes."""


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
    ("easydict", "EasyDict"): _PlainDict,
    ("addict.addict", "Dict"): _PlainDict,
    ("argparse", "Namespace"): _Ignored,
}
"""Everything that a file may name, beside torch's kinds of storage."""


_ZIP = b"PK\x03\x04"


class _RefusedError(pickle.UnpicklingError):
    """A file names something else."""


class _Unpickler(pickle.Unpickler):
    """An unpickler that finds what is allowed, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; never an import."""
        found = _ALLOWED.get((module, name))
        if found is None:
            raise _RefusedError(f"{module}.{name}")
        return found


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


_MODULE = SimpleNamespace(__name__="restricted", Unpickler=_Unpickler, load=_load)
"""What torch takes in the place of `pickle`."""


def read_pickle(path: Path) -> Any:
    """What a file that `torch.save` wrote holds: tensors, and plain values.

    Raises:
        CheckpointError: It's damaged, no such file, or names what isn't allowed; nothing of it
            was run.
    """
    _check_kind(path)
    try:
        return torch.load(path, map_location="cpu", pickle_module=_MODULE, weights_only=False)
    except _RefusedError as error:
        raise CheckpointError(
            f"{path} names {error}, which isn't on the list of what a checkpoint may name; "
            "nothing was run",
            "compare its sha256 with the publisher's; don't load it by other means",
        ) from error
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to ask for
        raise CheckpointError(
            f"{path} can't be read: {type(error).__name__}: {error}",
            "it may be truncated: download it again and compare its sha256",
        ) from error


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"there is no {path}", "check the path")
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            raise CheckpointError(
                f"{path} isn't a zip archive as torch.save writes it",
                "download it again and compare its sha256",
            )
    if "constants.pkl" in _records(path):  # torch would take it for a program, and load that
        raise CheckpointError(
            f"{path} is a TorchScript program, not weights", "use the file that upstream publishes"
        )


def _records(path: Path) -> list[str]:
    """Names of what the archive holds, as the very reader sees them that will load it."""
    try:
        names: list[str] = torch._C.PyTorchFileReader(str(path)).get_all_records()  # noqa: SLF001
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} can't be read: {str(error).splitlines()[0]}",
            "it may be truncated: download it again and compare its sha256",
        ) from error
    return names
