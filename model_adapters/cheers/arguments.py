"""What users may set on a CHEERS adapter, checked before any weights are loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from harness.errors import CheckpointError, SpecError
from harness.records import JsonValue, Record
from harness.torch_support import one_of

if TYPE_CHECKING:
    from model_adapters.cheers import Ablations
    from model_adapters.cheers.solvers import Solver

__all__ = ["Switches", "checked_slots", "checked_solver", "generation_defaults"]

OFFICIAL = {"steps": 80, "cfg_scale": 9.5, "alpha": 0.5}
"""Decoding of the official README, where a checkpoint brings no defaults of its own."""

_FORMS = ("dummy", "no-dummy", "fixed-dummy")


class Switches(Record, frozen=True, kw_only=True):
    """Ablations and prompt form; part of the fingerprint."""

    hfi: bool
    """High-frequency injection."""

    vae_reconstruction: bool
    """Whether images to understand pass VAE and decoder projector."""

    prompt_form: str
    """What stands before a prompt without image."""

    @classmethod
    def checked(cls, *, hfi: bool, vae_reconstruction: bool, prompt_form: str) -> Self:
        """Build the switches.

        Raises:
            SpecError: A value is impossible.
        """
        for name, value in (("hfi", hfi), ("vae_reconstruction", vae_reconstruction)):
            if not isinstance(value, bool):
                raise SpecError(f"{name}={value!r} is neither on nor off", f"write {name}=off")
        one_of("prompt_form", prompt_form, _FORMS)
        return cls(hfi=hfi, vae_reconstruction=vae_reconstruction, prompt_form=prompt_form)

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def ablations(self) -> Ablations:
        """As the model's functions take them."""
        from model_adapters.cheers import Ablations

        return Ablations(inject=self.hfi, reconstruct=self.vae_reconstruction)


def checked_slots(slots: int | None) -> int | None:
    """A number of rows, or `None`.

    Raises:
        SpecError: It isn't a number above zero.
    """
    if slots is not None and (isinstance(slots, bool) or not isinstance(slots, int) or slots < 1):
        raise SpecError(f"slots={slots!r} isn't a number of answers", "write slots=16")
    return slots


def checked_solver(solver: str) -> Solver:
    """The name of a solver.

    Raises:
        SpecError: There's none of that name.
    """
    from model_adapters.cheers.solvers import SOLVERS

    return cast("Solver", one_of("solver", solver, SOLVERS))


def generation_defaults(folder: Path, given: Mapping[str, float | None]) -> dict[str, int | float]:
    """Decoding defaults: the user's, else the checkpoint's `generation_config.json`, else official.

    Raises:
        CheckpointError: The file isn't a JSON object.
        SpecError: A value is out of range.
    """
    path = folder / "generation_config.json"
    stored: dict[str, float] = {}
    if path.is_file():
        try:
            stored = {k: v for k, v in json.loads(path.read_text()).items() if k in OFFICIAL}
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{path} isn't a JSON object: {error}", "restore it") from error
    chosen = {**OFFICIAL, **stored, **{k: v for k, v in given.items() if v is not None}}
    for name, value in chosen.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise SpecError(f"{name}={value!r} isn't a positive number", f"write {name}=20")
    return chosen
